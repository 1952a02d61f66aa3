"""Run grid points in this process: claim each, run it unless it is done, record it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from benchmark.config.settings import Strictness
from benchmark.dispatch.claims import Claim, Claims, Owner
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.ledger import GridPoint
from benchmark.dispatch.resume import dominated, dominated_failure, is_larger, resume_policy, unmeasured_record
from benchmark.execution.display import RunDisplay, finished
from benchmark.hardware.gpu_lock import occupy
from benchmark.slurm.signals import Stopped, signals_held_back
from benchmark.util.importing import importing
from benchmark.util.logs import logging_to, tail
from benchmark.util.progress import Report, Stage
from crossover.errors import LostDeviceError
from crossover.records.record import Failure, FailureKind, Record
from crossover.records.run import Run
from crossover.records.settings import Device

RENEW_S = 30.0
"""Least time between two signs of life of a claim."""


def run_points(
    context: SweepContext, indices: Sequence[int], owner: Owner, is_wanted: Callable[[int], bool] = lambda _: True
) -> list[Record | None]:
    """Run points of a sweep in this process, those that are wanted when their turn comes. Every launcher ends here.

    Returns:
        For each point its record; None where another process is at it, or it is not wanted.

    Raises:
        KeyboardInterrupt: when the process was told to stop.
        LostDeviceError: when the GPU does not work any more, so that each further point would fail in a moment.
    """
    worker = Worker(context, owner)
    records = []
    for index in indices:
        record = worker.run_point(index) if is_wanted(index) else None
        if record is not None:
            _require_device(record)
        records.append(record)
    return records


def _require_device(record: Record) -> None:
    """Make sure that the GPU still works, after a point that failed by an error."""
    if record.run.device is not Device.cuda or record.failure is None or record.failure.kind is not FailureKind.error:
        return
    from benchmark.hardware.device import answers

    if not answers():
        raise LostDeviceError(f"the GPU does not work any more for this process, since {record.title} failed")


class Worker:
    """Runs points of a sweep in this process, one after another."""

    def __init__(self, context: SweepContext, owner: Owner) -> None:
        self._context = context
        self._sweep = context.sweep
        self._owner = owner
        self._claims = Claims(Path(context.sweep.output_dir))

    def run_point(self, index: int) -> Record | None:
        """Run the point at `index`, unless it is done or another process is at it.

        Returns:
            The record of the point, written here or by another process that was faster; None where another is at it.

        Raises:
            KeyboardInterrupt: when the process was told to stop, after the record is on disk.
        """
        point = self._sweep.entries[index]
        if point.run.device is Device.cuda:  # before the claim: no process waits for a claim whose holder waits for it
            with signals_held_back(), importing("torch"):
                occupy(self._context.say)
        owner = replace(self._owner, since=datetime.now(UTC).isoformat())
        claim = self._claims.take(point.replicate_key, owner)
        if isinstance(claim, Owner):
            whom = "another process" if claim.sweep == self._sweep.id else "another sweep"
            self._context.say(f"{point.title} is being measured by {whom}: {claim}")
            return None
        try:
            return self._run_claimed(index, claim)
        finally:
            if claim.holds:
                claim.release()

    def _run_claimed(self, index: int, claim: Claim) -> Record | None:
        point = self._sweep.entries[index]
        records = self._done_records(point.run)
        if (done := records.get(point.replicate_key)) is not None:
            self._context.say(f"{point.title} was measured meanwhile")
            return done
        smaller = dominated(point.run, records.values()) if self._sweep.skip_dominated else None
        if smaller is not None:
            record = unmeasured_record(point.run, self._sweep.id, dominated_failure(smaller))
        else:
            record = self._run(point, index, claim)
        record = replace(record, replicate=point.replicate, attempt=self._attempt(point))
        return self._conclude(record, index, claim)

    def _attempt(self, point: GridPoint) -> int | None:
        """The number of this measurement of a point, where the sweep measures disturbed points again."""
        if self._sweep.strict is not Strictness.retry:
            return None
        before = [each for each in self._context.records.of({point.key}) if each.measurement is not None]
        return 1 + sum(each.sweep == self._sweep.id and each.replicate_key == point.replicate_key for each in before)

    def _done_records(self, run: Run) -> dict[str, Record]:
        """By replicate's key, what counts as done of a run and of smaller runs whose failure makes it pointless."""
        others = [each for each in self._sweep.entries if self._sweep.skip_dominated and is_larger(run, each.run)]
        keys = {run.key, *(each.key for each in others)}
        self._context.records.refresh(keys)
        return resume_policy(self._sweep).done(self._context.records.of(keys))

    def _run(self, point: GridPoint, index: int, claim: Claim) -> Record:
        started = datetime.now(UTC)
        heading = self._context.heading(index)
        with logging_to(self._sweep.log(index)), RunDisplay(self._context.console, heading) as display:
            try:
                return self._execute(point, display.report, claim)
            except KeyboardInterrupt as stop:  # it came before the run could catch it itself
                kind = stop.kind if isinstance(stop, Stopped) else FailureKind.interrupted
                failure = Failure(kind=kind, message=str(stop) or "interrupted from the keyboard")
                return unmeasured_record(point.run, self._sweep.id, failure, started)

    def _execute(self, point: GridPoint, report: Report, claim: Claim) -> Record:
        with signals_held_back(), importing("benchmark.execution.pipeline"):
            from benchmark.execution.model_cache import MODEL_CACHE  # torch and transformers, which --help does without
            from benchmark.execution.pipeline import execute

        report = _renewing(report, claim)
        return execute(point.run, sweep=self._sweep.id, models=MODEL_CACHE, report=report, config=point.config)

    def _conclude(self, record: Record, index: int, claim: Claim) -> Record | None:
        if record.failure is not None and (end := tail(self._sweep.log(index))):
            record = replace(record, failure=replace(record.failure, log_tail=end))
        if not claim.holds:
            self._context.say(
                f"{record.title}: the job was given up for lost and started again elsewhere; this result is dropped"
            )
            return None
        record, path = self._write(record)
        claim.release()
        self._track(record, path)
        finished(self._context.console, self._context.heading(index), record)
        if record.failure is not None and record.failure.log_tail:
            self._context.say(f"  its log: {self._sweep.log(index)}")
        if record.failure is not None and record.failure.kind in STOPPED:
            raise Stopped(record.failure.kind, record.failure.message)
        return record

    def _write(self, record: Record) -> tuple[Record, Path]:
        """Put the record on disk; a failure in its place when it has a figure that is no number."""
        journal = self._context.records.journal
        try:
            return record, journal.write(record)
        except ValueError as error:
            kept = Failure(kind=FailureKind.error, message=f"the measurement cannot be kept: {error}")
            record = replace(record, measurement=None, prediction=None, failure=record.failure or kept)
            return record, journal.write(record)

    def _track(self, record: Record, path: Path) -> None:
        from benchmark.store.open import job_tracker

        sweep = self._sweep
        tracker = job_tracker(sweep.tracking_uri, sweep.experiment, Path(sweep.output_dir), remote=sweep.remote)
        if tracker is not None and (problem := tracker.log(record, path)):
            self._context.say(f"MLflow did not take {record.title} ({problem}); its record is safe: {path}")


STOPPED = frozenset(
    {
        FailureKind.interrupted,
        FailureKind.cancelled,
        FailureKind.killed,
        FailureKind.timeout,
        FailureKind.preempted,
    }
)
"""Kinds of failure that a process records of itself when it is told to stop; the process then ends."""


def _renewing(report: Report, claim: Claim) -> Report:
    """Show progress and, between samples, a sign of life."""
    last = time.monotonic()

    def renew(stage: Stage, done: int, total: int) -> None:
        nonlocal last
        report(stage, done, total)
        if time.monotonic() - last > RENEW_S:
            last = time.monotonic()
            claim.renew()

    return renew
