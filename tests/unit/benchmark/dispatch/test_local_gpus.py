"""Processes on the GPUs of one machine: which points each gets, and what becomes of those of one that dies."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import pytest

from benchmark.dispatch import local_gpus, slot_tasks
from benchmark.dispatch.batches import find_batches, new_batch
from benchmark.dispatch.claims import Claim, Claims, this_process
from benchmark.dispatch.context import sweep_context
from benchmark.dispatch.job import is_left
from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.local_gpus import LocalGpus, bind
from benchmark.dispatch.slot_tasks import by_model
from benchmark.hardware.slots import Slot
from benchmark.store.journal import Journal
from crossover.records.load import find, load
from crossover.records.record import Failure, FailureKind, Record
from crossover.records.run import Run
from crossover.terminal import make_console
from tests.factories import STARTED, a_record, a_run
from tests.programs import ENVIRONMENT, command
from tests.sweeps import a_sweep

LATER = "2026-03-01T12:00:01+00:00"
SLOTS = (Slot(name="one"), Slot(name="two"))


def two_models(batches: int) -> tuple[Run, ...]:
    """Points of two models by turns, as a grid has them whose last key is the model."""
    llada = a_run()
    other = replace(llada, model=replace(llada.model, name="other", checkpoint="./other"))
    return tuple(replace(run, batch=batch) for batch in range(1, batches + 1) for run in (llada, other))


def records(folder: Path) -> tuple[Record, ...]:
    return load(find(folder)).records


class FakeProcess:
    """A process that measures `points` of its task's open points, or dies in the one after, when it is looked at."""

    number = 10_000_000

    def __init__(self, sweep: Sweep, task: list[int], points: int, ended: int) -> None:
        self.sweep, self.task, self.points, self.ended = sweep, task, points, ended
        FakeProcess.number += 1  # no process of this machine has such a number
        self.pid = FakeProcess.number

    def poll(self) -> int:
        claims = Claims(Path(self.sweep.output_dir))
        owner = replace(this_process(self.sweep.id), pid=self.pid, identity=None)
        for index in self.task:
            point = self.sweep.entries[index]
            last = claims.last(point.replicate_key)
            if last is not None:
                continue
            claim = claims.take(point.replicate_key, owner)
            assert isinstance(claim, Claim)
            if not self.points:
                return self.ended
            self.points -= 1
            Journal(output_dir=Path(self.sweep.output_dir)).write(
                a_record(point.run, sweep=self.sweep.id, started_at=LATER)
            )
            claim.release()
        return 0


class Machine:
    """Starts fake processes: `fates` says of each how many points it measures, and how it then ends."""

    def __init__(self, sweep: Sweep, tasks: list[list[int]], fates: list[tuple[int, int]]) -> None:
        self.sweep, self.tasks, self.fates = sweep, tasks, fates
        self.started: list[tuple[int, str | None]] = []

    def start(self, command: list[str], *, env: dict[str, str], stdout: IO[bytes], **_: Any) -> FakeProcess:
        task = int(command[-1])
        self.started.append((task, env.get("SLOT")))
        stdout.write(b"[1/6] a point that it measured\n")
        points, ended = self.fates.pop(0) if self.fates else (99, 0)
        return FakeProcess(self.sweep, self.tasks[task], points, ended)


def measure(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, *fates: tuple[int, int], slots: tuple[Slot, ...] = SLOTS
) -> Machine:
    indices = list(range(len(sweep.entries)))
    machine = Machine(sweep, by_model(sweep, indices), list(fates))
    monkeypatch.setattr(local_gpus.subprocess, "Popen", machine.start)  # type: ignore[attr-defined]  # as it has it
    monkeypatch.setattr(local_gpus, "LOOK_S", 0.001)
    LocalGpus(sweep_context(sweep, make_console()), indices, slots).run()
    return machine


def test_each_model_has_a_process_on_a_slot_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slots = (Slot(name="one", variables={"SLOT": "1"}), Slot(name="two", variables={"SLOT": "2"}))
    machine = measure(a_sweep(tmp_path, two_models(3)), monkeypatch, slots=slots)
    assert machine.started == [(0, "1"), (1, "2")]
    assert len({record.key for record in records(tmp_path)}) == len(records(tmp_path)) == 6
    assert "one: 3 grid points in 0 s; two: 3 grid points in 0 s" in capsys.readouterr().out


def test_the_longest_points_come_first_but_for_a_sweep_that_spares_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A point is spared by the failure of a smaller one, which must come before it."""
    monkeypatch.setattr(slot_tasks, "expected_s", lambda run: float(run.batch))
    for spares, slots, batches in ((False, 2, [3, 2, 1]), (False, 1, [1, 2, 3]), (True, 2, [1, 2, 3])):
        folder = tmp_path / f"{spares}-{slots}"
        sweep = a_sweep(folder, two_models(3)[::2], skip_dominated=spares)
        measure(sweep, monkeypatch, slots=SLOTS[:slots])
        (tasks,) = [batch.tasks for batch in find_batches(sweep).batches]
        assert [sweep.entries[index].run.batch for index in tasks[0]] == batches


def test_a_process_that_is_killed_costs_its_point_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next process on its slot goes on with the points that it left."""
    sweep = a_sweep(tmp_path, two_models(3))
    machine = measure(sweep, monkeypatch, (1, -signal.SIGKILL))
    assert [task for task, _ in machine.started] == [0, 1, 0]
    failures = {record.key: record.failure for record in records(tmp_path)}
    assert len(failures) == len(records(tmp_path)) == 6
    (killed,) = [key for key, failure in failures.items() if failure is not None]
    assert killed == sweep.entries[2].key
    assert failures[killed] is not None
    assert failures[killed].kind is FailureKind.killed  # type: ignore[union-attr]  # the line above
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "SIGKILL" in line]
    assert said.startswith(f"{sweep.entries[2].title}: the process was killed (SIGKILL)")
    assert re.search(r" on one \(its log: .*\.log\)$", said), "what it printed before says nothing of why it was killed"


def test_a_slot_on_which_no_process_begins_a_point_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path, two_models(2))
    monkeypatch.setattr(FakeProcess, "poll", lambda self: 1 if self.ended else real(self))
    machine = measure(sweep, monkeypatch, (0, 1))
    assert [task for task, _ in machine.started] == [0, 1, 0]
    assert "one is left out, since its process ended before it began a grid point" in capsys.readouterr().out
    assert [record.failure for record in records(tmp_path)] == [None] * 4


real = FakeProcess.poll


def test_a_point_that_another_sweep_took_over_from_a_dead_process_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The slot has the next process, since its last one had begun a point."""
    sweep = a_sweep(tmp_path, two_models(2)[::2])

    def die_and_be_followed(process: FakeProcess) -> int:
        ended = real(process)
        if ended:
            taken = Claims(tmp_path).take(sweep.entries[0].replicate_key, this_process("another"))
            assert isinstance(taken, Claim)
        return ended

    monkeypatch.setattr(FakeProcess, "poll", die_and_be_followed)
    machine = measure(sweep, monkeypatch, (0, -signal.SIGKILL), slots=SLOTS[:1])
    assert [task for task, _ in machine.started] == [0, 0]
    assert [(record.key, record.failure) for record in records(tmp_path)] == [(sweep.entries[1].key, None)]
    assert "left out" not in capsys.readouterr().out


def test_a_process_whose_points_another_sweep_measured_meanwhile_does_not_cost_its_slot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path, two_models(1))

    def end_too_late(process: FakeProcess) -> int:
        if not process.ended:
            return real(process)
        for index in process.task:
            record = a_record(sweep.entries[index].run, sweep="another", started_at=LATER)
            Journal(output_dir=tmp_path).write(record)
        return process.ended

    monkeypatch.setattr(FakeProcess, "poll", end_too_late)
    machine = measure(sweep, monkeypatch, (0, 1), slots=SLOTS[:1])
    assert [task for task, _ in machine.started] == [0, 1]
    assert "left out" not in capsys.readouterr().out
    assert [record.failure for record in records(tmp_path)] == [None, None]


def test_when_no_slot_is_left_every_point_has_its_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeProcess, "poll", lambda self: self.ended)
    measure(a_sweep(tmp_path, two_models(2)), monkeypatch, (0, 1), (0, 1))
    failures = [record.failure for record in records(tmp_path)]
    assert [failure.kind for failure in failures if failure] == [FailureKind.error] * 4


def test_what_is_handed_out_again_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that was there before, and does not count, is no outcome of this round: strict=retry hands out so."""
    sweep = a_sweep(tmp_path, two_models(1))
    failed = a_record(sweep.entries[0].run, sweep=sweep.id, measurement=None, failure=interrupted())
    Journal(output_dir=tmp_path).write(failed)
    machine = measure(sweep, monkeypatch)
    assert sorted(task for task, _ in machine.started) == [0, 1]


def interrupted() -> Failure:
    return Failure(kind=FailureKind.interrupted, message="")


def test_a_shared_point_that_was_tried_or_whose_driver_is_gone_is_left_alone(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path, two_models(1))
    batch = new_batch([[0], [1]], STARTED, slurm=False, shared=True)
    context = sweep_context(sweep, make_console())
    assert is_left(context, batch, 0)
    Journal(output_dir=tmp_path).write(
        a_record(sweep.entries[0].run, sweep=sweep.id, started_at=LATER, measurement=None, failure=interrupted())
    )
    assert not is_left(context, batch, 0)
    assert is_left(context, replace(batch, at="2026-03-01T12:00:02+00:00"), 0)  # it was tried before, in another batch
    assert is_left(context, batch, 1)
    gone = replace(batch, pid=FakeProcess.number + 1, identity=None)
    assert not is_left(context, gone, 1)


def test_a_process_stays_on_its_slots_cores() -> None:
    cores = frozenset({min(os.sched_getaffinity(0))})
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        bind(process.pid, cores)
        assert os.sched_getaffinity(process.pid) == cores
        bind(process.pid, frozenset())
        assert os.sched_getaffinity(process.pid) == cores
        process.communicate(b"\n")
    bind(FakeProcess.number + 1, cores)  # it has ended


@pytest.mark.process
class TestProcesses:
    """Two commands in one folder, a killed worker, and the command that comes after."""

    GRID = ("-m", "model=tiny_llama,tiny_llada", "steps=2", "batch=1,2,3", "hardware=local_gpus")
    QUICK = ("hardware.device=cpu", "warmup=0", "repeats=2", "prompts.count=2", "length=64", "judge=none")

    def command(self, folder: Path, slots: str) -> subprocess.Popen[str]:
        words = command(*self.GRID, *self.QUICK, f"hardware.gpus={slots}", "tracking=none")
        return subprocess.Popen(words, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)

    def workers(self, folder: Path) -> Iterator[int]:
        """The processes that hold a claim, once there is one."""
        for _ in range(600):
            claims = Claims(folder / "outputs", only_looks=True)
            for file in (folder / "outputs" / "claims").glob("*.1"):
                owner = claims.holder(file.stem)
                if owner is not None:
                    yield owner.pid
            time.sleep(0.05)

    def test_they_share_the_grid_and_a_killed_worker_costs_its_point_alone(self, tmp_path: Path) -> None:
        with self.command(tmp_path, "a,b") as first, self.command(tmp_path, "c") as second:
            killed = next(self.workers(tmp_path))
            os.kill(killed, signal.SIGKILL)
            outputs = [first.communicate(timeout=300)[0], second.communicate(timeout=300)[0]]
        made = records(tmp_path / "outputs")
        measured = [record for record in made if record.failure is None]
        failed = [record.failure.kind for record in made if record.failure is not None]
        assert failed in ([FailureKind.killed], []), outputs  # none where another process took the claim over at once
        assert len({record.key for record in measured}) == len(measured) >= 5, outputs
        assert len({record.key for record in made}) == 6, outputs
        assert len({record.sweep for record in measured}) == 2, outputs
        with self.command(tmp_path, "a") as third:
            output = third.communicate(timeout=300)[0]
        assert third.returncode == 0, output
        assert f"6 grid points: {6 - len(measured)} to run, {len(measured)} done before" in output
        assert [record.failure for record in records(tmp_path / "outputs")].count(None) == 6
