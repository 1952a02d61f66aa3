"""One grid point inside whatever job it was given to: claim it, run it unless it is done, record it."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from benchmark.config.settings import Settings
from benchmark.dispatch.claims import Claim, Claims, Owner
from benchmark.dispatch.ledger import Entry, Sweep
from benchmark.dispatch.resume import dominated, dominated_failure, is_larger, resume_policy, unmeasured_record
from benchmark.execution.display import RunDisplay, finished, title
from benchmark.hardware.gpu_lock import occupy
from benchmark.slurm.signals import Stopped
from benchmark.store.journal import Journal
from benchmark.util.importing import importing
from benchmark.util.logs import logging_to, tail
from benchmark.util.progress import Report, Stage
from crossover.records.record import Failure, FailureKind, Record
from crossover.records.run import Run
from crossover.records.settings import Device

RENEW_S = 30.0
"""Least time between two signs of life of a claim."""


class Ending(StrEnum):
    """What became of a point in this job."""

    recorded = "recorded"
    done_before = "done_before"
    elsewhere = "elsewhere"
    superseded = "superseded"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a point ended here, with its record where there is one."""

    ending: Ending
    record: Record | None = None

    @property
    def kind(self) -> FailureKind | None:
        """Why there is no measurement; None when there is one, or none was tried here."""
        return self.record.failure.kind if self.record is not None and self.record.failure is not None else None


class Worker:
    """Runs points of a sweep in this process, one after another."""

    def __init__(self, sweep: Sweep, owner: Owner, console: Console) -> None:
        self._sweep = sweep
        self._owner = owner
        self._console = console
        self._journal = Journal(output_dir=Path(sweep.output_dir))
        self._claims = Claims(Path(sweep.output_dir))

    def perform(self, index: int) -> Outcome:
        """Run the point at `index`, unless it is done or somebody else is at it.

        Raises:
            KeyboardInterrupt: when the process was told to stop, after the record is on disk.
        """
        entry = self._sweep.entries[index]
        owner = replace(self._owner, since=datetime.now(UTC).isoformat())
        claim = self._claims.take(entry.key, owner)
        if isinstance(claim, Owner):
            self._say(f"{entry.name} is being measured by another sweep: {claim}")
            return Outcome(ending=Ending.elsewhere)
        try:
            return self._claimed(index, claim)
        finally:
            if claim.holds:
                claim.release()

    def _claimed(self, index: int, claim: Claim) -> Outcome:
        entry = self._sweep.entries[index]
        records = self._records(entry.run)
        if (done := resume_policy(self._sweep).done(records.values()).get(entry.key)) is not None:
            self._say(f"{entry.name} was measured meanwhile")
            return Outcome(ending=Ending.done_before, record=done)
        larger = dominated(entry.run, records) if self._sweep.skip_dominated else None
        if larger is not None:
            record = unmeasured_record(entry.run, self._sweep.id, dominated_failure(larger))
        else:
            record = self._run(entry, index, claim)
        return self._conclude(record, index, claim)

    def _records(self, run: Run) -> dict[str, Record]:
        """Records that count, of a run and of all that would make it pointless."""
        others = (
            [each for each in self._sweep.entries if is_larger(run, each.run)] if self._sweep.skip_dominated else []
        )
        keys = {run.key, *(entry.key for entry in others)}
        return resume_policy(self._sweep).done(self._journal.of(keys).records)

    def _run(self, entry: Entry, index: int, claim: Claim) -> Record:
        heading = self._heading(index)
        started = datetime.now(UTC)
        with logging_to(self._sweep.log(index)), RunDisplay(self._console, heading) as display:
            try:
                return self._execute(entry, display.report, claim)
            except KeyboardInterrupt as stop:  # before the run could catch it itself
                kind = stop.kind if isinstance(stop, Stopped) else FailureKind.interrupted
                failure = Failure(kind=kind, message=str(stop) or "interrupted from the keyboard")
                return unmeasured_record(entry.run, self._sweep.id, failure, started)

    def _execute(self, entry: Entry, report: Report, claim: Claim) -> Record:
        with _signals_held_back():
            from benchmark.execution.model_cache import MODEL_CACHE  # torch and transformers, which --help does without
            from benchmark.execution.pipeline import execute

        if entry.run.device is Device.cuda:
            occupy(self._say)
        report = _renewing(report, claim)
        return execute(entry.run, sweep=self._sweep.id, models=MODEL_CACHE, report=report, config=entry.config)

    def _conclude(self, record: Record, index: int, claim: Claim) -> Outcome:
        if record.failure is not None and (end := tail(self._sweep.log(index))):
            record = replace(record, failure=replace(record.failure, log_tail=end))
        if not claim.holds:
            self._say(
                f"{record.name}: the job was given up for lost and started again elsewhere; this result is dropped"
            )
            return Outcome(ending=Ending.superseded)
        record, path = self._write(record)
        claim.release()
        self._track(record, path)
        finished(self._console, self._heading(index), record)
        if record.failure is not None and record.failure.log_tail:
            self._say(f"  its log: {self._sweep.log(index)}")
        if record.failure is not None and record.failure.kind in STOPPED:
            raise Stopped(record.failure.kind, record.failure.message)
        return Outcome(ending=Ending.recorded, record=record)

    def _write(self, record: Record) -> tuple[Record, Path]:
        """Put the record on disk; a failure in its place when it has a figure that is no number."""
        try:
            return record, self._journal.write(record)
        except ValueError as error:
            kept = Failure(kind=FailureKind.error, message=f"the measurement cannot be kept: {error}")
            record = replace(record, measurement=None, prediction=None, failure=record.failure or kept)
            return record, self._journal.write(record)

    def _track(self, record: Record, path: Path) -> None:
        from benchmark.store.open import job_tracker

        tracker = job_tracker(settings(self._sweep))
        if tracker is not None and (problem := tracker.log(record, path)):
            self._say(f"MLflow did not take {record.name} ({problem}); its record is safe: {path}")

    def _heading(self, index: int) -> str:
        return title(index, len(self._sweep.entries), self._sweep.entries[index].name)

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


STOPPED = frozenset(
    {
        FailureKind.interrupted,
        FailureKind.cancelled,
        FailureKind.killed,
        FailureKind.timeout,
        FailureKind.preempted,
    }
)
"""Kinds that a process writes of itself when it was told to stop: it does."""


def settings(sweep: Sweep) -> Settings:
    """The settings that a sweep was begun with."""
    return Settings(
        output_dir=Path(sweep.output_dir),
        tracking_uri=sweep.tracking_uri,
        experiment=sweep.experiment,
        sweep=sweep.id,
        index=0,
        remote=sweep.remote,
    )


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Hold back what would stop us for a moment: some libraries swallow it while they are imported."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGUSR2})
    try:
        with importing("benchmark.execution.pipeline"):
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
