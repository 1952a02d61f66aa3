"""Weights that this machine's memory cannot hold are refused before anything is loaded."""

from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmark.config.settings import Settings
from benchmark.sweep import preflight as module
from benchmark.sweep.preflight import preflight
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Device
from tests.factories import a_run

Memory = namedtuple("Memory", "available")


@pytest.fixture
def run(llada: Path) -> Run:
    run = a_run(judge=None)
    prompts = replace(run.prompts, source="builtin:prompts/austen.jsonl")
    return replace(run, model=replace(run.model, checkpoint=str(llada)), prompts=prompts)


@pytest.fixture
def stored_bytes(llada: Path) -> int:
    """The size of the weights on disk, two bytes each in the checkpoints of the 8B pair."""
    return sum(file.stat().st_size for file in llada.glob("*.safetensors"))


def settings(folder: Path, *, remote: bool = False) -> Settings:
    return Settings(output_dir=folder / "outputs", tracking_uri=None, experiment="", sweep="grid", remote=remote)


def test_weights_need_twice_their_size_on_disk_since_a_cpu_computes_in_float32(
    run: Run, stored_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(2 * stored_bytes))
    assert preflight([run], settings(tmp_path), print) is None
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(2 * stored_bytes - 1))
    with pytest.raises(UserError, match=r"in float32 and .* of memory are free"):
        preflight([run], settings(tmp_path), print)


def test_of_another_machine_or_a_gpu_this_machines_memory_says_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(0))
    preflight([run], settings(tmp_path, remote=True), print)
    monkeypatch.setattr(module, "gpu_count", lambda: 1)
    preflight([replace(run, device=Device.cuda)], settings(tmp_path), print)
