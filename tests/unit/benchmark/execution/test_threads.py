import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.config.settings import Settings
from benchmark.execution import threads as module
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.execution.threads import threads_of
from benchmark.hardware.cpu import physical_cores
from benchmark.sweep.expected_environment import expected_threads
from crossover.records.run import Run
from crossover.records.settings import Device, Weights
from tests.factories import a_run


def a_run_of(checkpoint: str, **changes: object) -> Run:
    run = a_run(**changes)
    return replace(run, model=replace(run.model, checkpoint=checkpoint))


def test_a_tiny_model_gets_one_thread_and_a_larger_one_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "physical_cores", lambda: 8)
    assert threads_of(a_run_of("builtin:tiny_llada"), {}) == 1
    assert threads_of(a_run_of("builtin:llada_8b"), {}) == 8
    assert threads_of(a_run_of("builtin:llama3_8b", weights=Weights.random, judge=None), {}) == 8
    assert threads_of(a_run_of("./nowhere"), {}) == 8


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"MKL_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2"}, 3),
        ({"OMP_NUM_THREADS": ""}, 1),
        ({"OMP_NUM_THREADS": "4,2"}, None),
    ],
)
def test_what_the_user_has_set_in_the_environment_stays(environment: dict[str, str], threads: int | None) -> None:
    assert threads_of(a_run_of("builtin:tiny_llada"), environment) == threads


def test_the_number_on_the_command_line_is_the_last_word() -> None:
    run = a_run_of("builtin:tiny_llada", threads=2)
    assert threads_of(run, {"OMP_NUM_THREADS": "3"}) == 2
    assert "threads=2" in run.name
    assert run.key != replace(run, threads=None).key == a_run_of("builtin:tiny_llada").key


def test_a_run_on_a_gpu_keeps_what_pytorch_chooses() -> None:
    assert threads_of(a_run_of("builtin:tiny_llada", device=Device.cuda), {}) is None


def test_a_record_is_looked_for_with_the_threads_that_its_run_will_have(tmp_path: Path) -> None:
    here = Settings(output_dir=tmp_path, tracking_uri=None, experiment="", sweep="grid", remote=False)
    run = a_run_of("builtin:tiny_llada", threads=5)
    assert expected_threads(run, here) == 5
    assert expected_threads(run, replace(here, remote=True)) is None


def test_hyperthreads_are_not_counted_as_cores() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_is_computed_with_its_threads_and_its_record_says_so(threads: int) -> None:
    before = torch.get_num_threads()
    try:
        run = a_run_of("./nowhere", threads=threads)
        record = execute(run, sweep="", models=ModelCache(), report=lambda *_: None)
        assert record.environment is not None
        assert record.environment.cpu_threads == threads
    finally:
        torch.set_num_threads(before)
