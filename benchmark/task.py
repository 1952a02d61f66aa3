"""One grid point inside whatever job it was given to: claim it, run it unless it is done, record it."""

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from benchmark.claims import Claim, Claims, Owner
from benchmark.config import Settings
from benchmark.importing import importing
from benchmark.interruption import Stopped
from benchmark.ledger import Entry, Sweep
from benchmark.occupancy import occupy
from benchmark.progress import Report, Stage
from benchmark.resume import Wanted, dominated, is_larger
from benchmark.screen import RunDisplay, finished, title
from benchmark.sinks.journal import Journal
from benchmark.tails import tail
from records.record import Failure, FailureKind, Record
from records.run import Run
from records.settings import Device

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

    def perform(self, place: int) -> Outcome:
        """Run the point at `place`, unless it is done or somebody else is at it.

        Raises:
            KeyboardInterrupt: when the process was told to stop, after the record is on disk.
        """
        entry = self._sweep.entries[place]
        owner = replace(self._owner, since=datetime.now(UTC).isoformat())
        claim = self._claims.take(entry.key, owner)
        if isinstance(claim, Owner):
            self._say(f"{entry.name} is being measured by another sweep: {claim}")
            return Outcome(ending=Ending.elsewhere)
        try:
            return self._claimed(place, claim)
        finally:
            if claim.holds:
                claim.release()

    def _claimed(self, place: int, claim: Claim) -> Outcome:
        entry = self._sweep.entries[place]
        records = self._records(entry.run)
        if (done := wanted(self._sweep).done(records.values()).get(entry.key)) is not None:
            self._say(f"{entry.name} was measured meanwhile")
            return Outcome(ending=Ending.done_before, record=done)
        larger = dominated(entry.run, records) if self._sweep.skip_dominated else None
        if larger is not None:
            record = unrun(entry.run, self._sweep.id, spared(larger))
        else:
            record = self._run(entry, place, claim)
        return self._conclude(record, place, claim)

    def _records(self, run: Run) -> dict[str, Record]:
        """Records that count, of a run and of all that would make it pointless."""
        others = (
            [each for each in self._sweep.entries if is_larger(run, each.run)] if self._sweep.skip_dominated else []
        )
        keys = {run.key, *(entry.key for entry in others)}
        return wanted(self._sweep).done(self._journal.of(keys).records)

    def _run(self, entry: Entry, place: int, claim: Claim) -> Record:
        heading = self._heading(place)
        started = datetime.now(UTC)
        with logging_to(self._sweep.log(place)), RunDisplay(self._console, heading) as display:
            try:
                return self._execute(entry, display.report, claim)
            except KeyboardInterrupt as stop:  # before the run could catch it itself
                kind = stop.kind if isinstance(stop, Stopped) else FailureKind.interrupted
                failure = Failure(kind=kind, message=str(stop) or "interrupted from the keyboard")
                return unrun(entry.run, self._sweep.id, failure, started)

    def _execute(self, entry: Entry, report: Report, claim: Claim) -> Record:
        with _undisturbed():
            from benchmark.pipeline import execute
            from benchmark.shelf import SHELF  # torch and transformers, which --help does without

        if entry.run.device is Device.cuda:
            occupy(self._say)
        report = _renewing(report, claim)
        return execute(entry.run, sweep=self._sweep.id, shelf=SHELF, report=report, config=entry.config)

    def _conclude(self, record: Record, place: int, claim: Claim) -> Outcome:
        if record.failure is not None and (end := tail(self._sweep.log(place))):
            record = replace(record, failure=replace(record.failure, log_tail=end))
        if not claim.holds:
            self._say(
                f"{record.name}: the job was given up for lost and started again elsewhere; this result is dropped"
            )
            return Outcome(ending=Ending.superseded)
        record, path = self._write(record)
        claim.release()
        self._track(record, path)
        finished(self._console, self._heading(place), record)
        if record.failure is not None and record.failure.log_tail:
            self._say(f"  its log: {self._sweep.log(place)}")
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
        from benchmark.preflight import job_tracker

        tracker = job_tracker(settings(self._sweep))
        if tracker is not None and (problem := tracker.log(record, path)):
            self._say(f"MLflow did not take {record.name} ({problem}); its record is safe: {path}")

    def _heading(self, place: int) -> str:
        return title(place, len(self._sweep.entries), self._sweep.entries[place].name)

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


def wanted(sweep: Sweep) -> Wanted:
    """What a sweep takes for done."""
    return Wanted(
        sweep=sweep.id,
        began=sweep.began,
        rerun=sweep.rerun,
        skip_dominated=sweep.skip_dominated,
        conditions=sweep.conditions,
    )


def spared(smaller: Record) -> Failure:
    """Why a point is not run at all."""
    return Failure(
        kind=FailureKind.dominated,
        message=f"not run: {smaller.name} ran out of memory, and this point is larger (skip_dominated=true)",
    )


def unrun(run: Run, sweep: str, failure: Failure, started: datetime | None = None) -> Record:
    """The record of a run that never came to measuring."""
    now = datetime.now(UTC)
    return Record(
        key=run.key,
        name=run.name,
        sweep=sweep,
        started_at=(started or now).isoformat(),
        finished_at=now.isoformat(),
        run=run,
        environment=None,
        measurement=None,
        failure=failure,
    )


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
def logging_to(file: Path) -> Iterator[None]:
    """Send what the libraries log to a file instead of the screen."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    handler = logging.FileHandler(file, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    root.handlers, root.level = [handler], logging.INFO
    try:
        yield
    finally:
        root.handlers, root.level = before, level
        handler.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold back what would stop us for a moment: some libraries swallow it while they are imported."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGUSR2})
    try:
        with importing("benchmark.pipeline"):
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
