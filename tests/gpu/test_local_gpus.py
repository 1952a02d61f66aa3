"""A sweep on two GPUs of one machine: which GPU each process sees, and what a record says of it.

All programs of this file run at once, since each of them mostly waits for imports.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from benchmark.dispatch.local_gpus import bind
from benchmark.hardware.nvml import Gpu, gpu_uuids
from benchmark.hardware.slots import VISIBLE, Slot, gpu_slots, visible
from benchmark.hardware.verdict import FOREIGN_BYTES
from benchmark.util.child_python import safe_variables
from crossover.records.load import find, load
from crossover.records.machine import Label
from crossover.records.record import Record

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")]

PROBE = """
import os, torch
print(torch.cuda.device_count(), f"GPU-{torch.cuda.get_device_properties(0).uuid}", len(os.sched_getaffinity(0)))
"""
WAITER = """
import torch
print(f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}", flush=True)
input()
"""
GRID = ("model=tiny_llama,tiny_llada", "steps=2,4", "batch=1,2", "engine=eager")
QUICK = ("warmup=1", "repeats=3", "prompts.count=2", "length=64", "judge=none", "tracking=none")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A program that has ended."""

    code: int
    output: str


def uuids() -> tuple[str, str]:
    """The first two GPUs that this program may use."""
    first, second = visible(os.environ)[:2]
    known = gpu_uuids()
    return tuple(known[int(name)] if name.isdecimal() else name for name in (first, second))  # type: ignore[return-value]  # two


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def slots() -> dict[str, Slot]:
    """Slots by the way in which they are named."""
    first, second = uuids()
    both, turned = {VISIBLE: f"{first},{second}"}, {VISIBLE: f"{second},{first}"}
    return {
        "by number": gpu_slots(("1",), both)[0],
        "by UUID": gpu_slots((first,), both)[0],
        "turned round": gpu_slots(("0",), turned)[0],
        "beside": gpu_slots(("0", "1"), both)[1],
    }


@pytest.fixture(scope="module")
def ended(folder: Path, slots: dict[str, Slot]) -> Iterator[dict[str, Ended]]:
    """What all the programs printed."""
    first, second = uuids()
    both = {VISIBLE: f"{first},{second}"}
    measure = [sys.executable, "-m", "benchmark", "-m", *GRID, *QUICK, "hardware=local_gpus"]
    commands = {
        "sweep": ([*measure, f"hardware.gpus=0,{second}", f"output_dir={folder / 'sweep'}"], both),
        "wrong number": ([*measure, "hardware.gpus=0,99", f"output_dir={folder / 'wrong'}"], both),
        "wrong inside": ([*measure, "hardware.gpus=1", f"output_dir={folder / 'inside'}"], {VISIBLE: first}),
    }
    commands |= {name: ([sys.executable, "-c", PROBE], slot.variables) for name, slot in slots.items()}
    started = {
        name: subprocess.Popen(
            command,
            env=os.environ | safe_variables() | variables,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, (command, variables) in commands.items()
    }
    for name, slot in slots.items():
        bind(started[name].pid, slot.cores)
    try:
        yield {
            name: Ended(output=each.communicate(timeout=100)[0], code=each.returncode) for name, each in started.items()
        }
    finally:
        for each in started.values():
            each.kill()


@pytest.fixture(scope="module")
def records(ended: dict[str, Ended], folder: Path) -> tuple[Record, ...]:
    assert ended["sweep"].code == 0, ended["sweep"].output
    return load(find(folder / "sweep")).records


def test_a_process_that_waits_for_a_gpu_takes_none_of_its_memory() -> None:
    """It would be a foreign process beside the one that measures. This test comes first, while nobody measures."""
    uuid = uuids()[1]
    gpu = Gpu.find(uuid)
    assert gpu is not None
    before = gpu.used_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", WAITER], env=os.environ | {VISIBLE: uuid}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as waiter:
        assert waiter.stdout is not None
        assert waiter.stdout.readline().strip() == uuid.encode()
        during, processes = gpu.used_bytes(), gpu.processes()
        waiter.communicate(b"\n")
    assert before is not None
    assert during is not None
    assert during - before < FOREIGN_BYTES
    assert waiter.pid not in (processes or ())


@pytest.mark.parametrize(("name", "gpu"), [("by number", 1), ("by UUID", 0), ("turned round", 1), ("beside", 1)])
def test_a_process_sees_the_gpu_that_its_slot_names_and_no_other(
    name: str, gpu: int, ended: dict[str, Ended], slots: dict[str, Slot]
) -> None:
    count, uuid, cores = ended[name].output.split()
    assert (count, uuid) == ("1", uuids()[gpu])
    assert int(cores) == len(slots[name].cores or os.sched_getaffinity(0))


def test_both_gpus_measure_and_each_point_is_measured_once(records: tuple[Record, ...]) -> None:
    assert [record.failure for record in records] == [None] * 6
    assert len({record.key for record in records}) == 6
    assert {record.environment.gpu_uuid for record in records if record.environment} == set(uuids())


def test_a_neighbour_on_another_gpu_is_no_foreign_process(records: tuple[Record, ...]) -> None:
    """Nor is it a busy core: each process watches its own. The tests beside this one are on neither GPU for long."""
    for record in records:
        assert record.measurement is not None
        for sample in record.measurement.samples:
            assert sample.conditions is not None
            assert Label.foreign_process not in sample.labels, record.name
            assert sample.conditions.watched_cpu_cores is not None  # not all of the machine's


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("wrong number", "hardware.gpus=99 is not here: this program may use"),
        ("wrong inside", "hardware.gpus=1 is not here: this program may use one GPU"),
    ],
)
def test_a_wrong_gpu_is_one_line(name: str, complaint: str, ended: dict[str, Ended]) -> None:
    assert ended[name].code == 2
    lines = [line for line in ended[name].output.splitlines() if "hardware.gpus" in line]
    assert len(lines) == 1
    assert complaint in lines[0]
    assert "Traceback" not in ended[name].output
