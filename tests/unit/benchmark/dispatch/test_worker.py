"""Points as a job runs them, in this process, with tiny models on disk."""

import logging
import math
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark.config.settings import Rerun
from benchmark.dispatch import worker
from benchmark.dispatch.claims import Claim, Claims, this_process
from benchmark.dispatch.context import sweep_context
from benchmark.dispatch.ledger import ExpectedEnvironment, GridPoint, Sweep
from benchmark.dispatch.worker import Worker, run_points
from benchmark.execution import pipeline
from benchmark.hardware import device
from benchmark.slurm.signals import Stopped
from benchmark.store.journal import Journal
from benchmark.util.progress import Stage
from crossover.errors import LostDeviceError
from crossover.records.load import load
from crossover.records.record import Failure, FailureKind, Record
from crossover.records.run import Run
from crossover.records.settings import Device, Family, Model, Prompts
from crossover.terminal import make_console
from tests.factories import a_failed_record, a_measurement, a_record, a_sample, an_autoregressive_run
from tests.sweeps import a_sweep

EARLIER = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def run(llama: Path, tmp_path: Path) -> Run:
    prompts = tmp_path / "prompts.jsonl"
    text = "one two three four five six seven eight nine ten " * 40
    prompts.write_text(f'{{"text": "{text}"}}\n' * 4)
    model = Model(name="tiny", family=Family.autoregressive, checkpoint=str(llama), revision=None, context=64)
    return an_autoregressive_run(
        model=model, batch=1, prompts=Prompts(source=str(prompts), count=1), judge=None, warmup=0, repeats=1
    )


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    assert logging.getLogger().handlers == before


def run_point(sweep: Sweep, index: int = 0) -> Record | None:
    (record,) = run_points(sweep_context(sweep, make_console()), [index], this_process(sweep.id))
    return record


def failure_of(record: Record | None) -> Failure | None:
    assert record is not None
    return record.failure


def records(folder: Path) -> tuple[Record, ...]:
    return load((folder / "records").glob("*.json")).records


def test_a_point_is_claimed_measured_and_recorded(tmp_path: Path, run: Run) -> None:
    sweep = a_sweep(tmp_path, (run,))
    returned = run_point(sweep)
    (record,) = records(tmp_path)
    assert record.measurement is not None
    assert returned is not None
    assert returned.started_at == record.started_at
    assert record.sweep == "sweep-1"
    last = Claims(tmp_path).last(run.key)
    assert last is not None
    assert last.released


def test_a_point_that_was_measured_meanwhile_is_not_measured_again(tmp_path: Path, run: Run) -> None:
    run_point(a_sweep(tmp_path, (run,)))
    returned = run_point(a_sweep(tmp_path, (run,), id="sweep-2"))
    (record,) = records(tmp_path)
    assert returned is not None
    assert returned.started_at == record.started_at
    last = Claims(tmp_path).last(run.key)
    assert last is not None
    assert (last.sweep, last.released) == ("sweep-2", True)


def test_a_process_that_is_told_to_stop_records_that_and_goes_to_no_further_point(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = a_sweep(tmp_path, (run, replace(run, batch=2)))
    told = Failure(kind=FailureKind.preempted, message="told")
    monkeypatch.setattr(pipeline, "execute", lambda run, **_: a_record(run, measurement=None, failure=told))
    with pytest.raises(Stopped, match="told"):
        run_points(sweep_context(sweep, make_console()), [0, 1], this_process(sweep.id))
    (record,) = records(tmp_path)
    assert (record.key, record.failure) == (run.key, told)


@pytest.mark.parametrize("works", [True, False])
def test_a_process_whose_gpu_works_no_more_goes_to_no_further_point(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, *, works: bool
) -> None:
    """After some errors every further call of CUDA fails, so the grid would be used up in a moment."""
    monkeypatch.setattr(worker, "occupy", lambda _: None)
    monkeypatch.setattr(device, "answers", lambda: works)
    on_gpu = replace(run, device=Device.cuda)
    sweep = a_sweep(tmp_path, (on_gpu, replace(on_gpu, batch=2)))
    lost = Failure(kind=FailureKind.error, message="CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(pipeline, "execute", lambda run, **_: a_record(run, measurement=None, failure=lost))
    with nullcontext() if works else pytest.raises(LostDeviceError, match=f"since {on_gpu.name} failed"):
        run_points(sweep_context(sweep, make_console()), [0, 1], this_process(sweep.id))
    assert {record.key for record in records(tmp_path)} == {each.key for each in sweep.entries[: 2 if works else 1]}


@pytest.mark.parametrize("device", Device)
def test_a_run_on_a_gpu_has_it_to_itself(
    tmp_path: Path, run: Run, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    occupied: list[object] = []
    monkeypatch.setattr(worker, "occupy", occupied.append)
    monkeypatch.setattr(pipeline, "execute", lambda run, **_: a_record(run))
    run_point(a_sweep(tmp_path, (replace(run, device=device),)))
    assert len(occupied) == (device is Device.cuda)


def test_a_process_that_waits_for_a_gpu_has_claimed_nothing(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that has the GPU may wait for that very point."""
    claimed: list[object] = []
    monkeypatch.setattr(
        worker, "occupy", lambda _: claimed.append(Claims(tmp_path).last(replace(run, device=Device.cuda).key))
    )
    monkeypatch.setattr(pipeline, "execute", lambda run, **_: a_record(run))
    on_gpu = replace(run, device=Device.cuda)
    run_point(a_sweep(tmp_path, (on_gpu,)))
    assert claimed == [None]
    assert Claims(tmp_path).last(on_gpu.key) is not None


def test_a_claim_is_renewed_once_in_a_while_and_not_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, renewed = [0.0], list[float]()
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(Claim, "renew", lambda _: renewed.append(now[0]))
    claim = Claims(tmp_path).take("key", this_process("sweep-1"))
    assert isinstance(claim, Claim)
    shown: list[int] = []
    report = worker._renewing(lambda _, done, __: shown.append(done), claim)
    for second in range(100):
        now[0] = float(second)
        report(Stage.repeats, second, 100)
    assert shown == list(range(100))
    assert renewed == [worker.RENEW_S + 1, 2 * (worker.RENEW_S + 1), 3 * (worker.RENEW_S + 1)]


def test_rerun_all_measures_it_again(tmp_path: Path, run: Run) -> None:
    run_point(a_sweep(tmp_path, (run,)))
    later = a_sweep(tmp_path, (run,), id="sweep-2", rerun=Rerun.all, began="2999-01-01T00:00:00+00:00")
    assert run_point(later) is not None
    assert len(records(tmp_path)) == 2


def test_what_another_sweep_is_at_is_left_to_it(tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = a_sweep(tmp_path, (run,))
    assert isinstance(Claims(tmp_path).take(run.key, this_process("another")), Claim)
    assert run_point(sweep) is None
    assert not records(tmp_path)
    assert "is being measured by another sweep" in capsys.readouterr().out


def test_the_result_of_a_job_that_was_given_up_for_lost_is_dropped(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path, (run,))
    taken: list[Claim] = []

    class Usurped(Worker):
        """A job whose claim somebody takes over while it measures."""

        def _run(self, point: GridPoint, index: int, claim: Claim) -> Record:
            record = super()._run(point, index, claim)
            other = Claims(tmp_path, lambda _, __: False).take(run.key, this_process("another"))
            assert isinstance(other, Claim)
            taken.append(other)
            return record

    usurped = Usurped(sweep_context(sweep, make_console()), this_process(sweep.id))
    assert usurped.run_point(0) is None
    assert not records(tmp_path)
    assert taken[0].holds
    assert "this result is dropped" in capsys.readouterr().out


def test_what_the_user_can_mend_is_recorded_in_its_words(tmp_path: Path, run: Run) -> None:
    without_prompts = replace(run, prompts=Prompts(source=str(tmp_path / "none.txt"), count=1))
    failure = failure_of(run_point(a_sweep(tmp_path, (without_prompts,))))
    assert failure is not None
    assert failure.kind is FailureKind.error
    assert "there is no such file" in failure.message


def test_an_error_of_ours_is_recorded_with_the_end_of_its_log(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(pipeline, "measure_run", broken)
    failure = failure_of(run_point(a_sweep(tmp_path, (run,))))
    assert failure is not None
    assert failure.message == "RuntimeError: broken"
    assert "Traceback" in str(failure.log_tail)


def test_a_figure_that_is_no_number_makes_a_failure_that_names_it(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = a_record(run, measurement=a_measurement(samples=(a_sample(latency_s=math.nan),)))
    monkeypatch.setattr(pipeline, "execute", lambda *_, **__: measured)
    run_point(a_sweep(tmp_path, (run,)))
    (record,) = records(tmp_path)
    assert record.failure is not None
    assert record.failure.kind is FailureKind.error
    assert "measurement.samples.0.latency_s is not a finite number" in record.failure.message


@pytest.mark.parametrize("skip", [True, False])
def test_a_point_larger_than_one_that_ran_out_of_memory_is_spared_when_asked(
    tmp_path: Path, run: Run, *, skip: bool
) -> None:
    larger = replace(run, batch=2)
    sweep = a_sweep(tmp_path, (run, larger), skip_dominated=skip)
    Journal(output_dir=tmp_path).write(replace(a_failed_record(run), environment=None, started_at=EARLIER))
    failure = failure_of(run_point(sweep, 1))
    if not skip:
        assert failure is None
        return
    assert failure is not None
    assert failure.kind is FailureKind.dominated
    assert f"{run.name} ran out of memory" in failure.message


def test_a_record_of_other_software_does_not_stand_in(tmp_path: Path, run: Run) -> None:
    run_point(a_sweep(tmp_path, (run,)))
    sweep = a_sweep(tmp_path, (run,), id="sweep-2", conditions=ExpectedEnvironment(torch="1.0"))
    assert run_point(sweep) is not None
    assert len(records(tmp_path)) == 2
