"""Bring an MLflow store to the state of the journal, which is the truth.

Afterwards the store has exactly one run for each measured record, and exactly one, that of its newest failure, for
each point that was not measured yet. A run that a killed job left half logged is completed. Doubles, and runs of
records that are gone or superseded, are withdrawn. A second synchronisation changes nothing. It may run beside jobs,
since a program that logs a record locks the record's file meanwhile.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmark.store.journal import BROKEN, Journal, replicate_of, started
from benchmark.store.mlflow_tracker import PATIENCE_S, SLOW_S, Entry, Tracker, reason
from benchmark.util.deadline import Deadline, within
from crossover.records.load import load
from crossover.records.record import Record

Progress = Callable[[int, int], None]
UNLIMITED_S = 24 * 3600.0


def _silent(_done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, kw_only=True)
class Synced:
    """The result of a synchronisation, in numbers of runs.

    Attributes:
        added: runs that were logged now, whole.
        kept: runs that were there already.
        withdrawn: runs taken out: doubles, half-logged ones, those of superseded failures and of records that are gone.
        left: runs that are still missing, because the store did not take them.
        reason: why the first of these is missing, or why the store could not be read at all.
        unreadable: files in the journal that are no records.
    """

    added: int
    kept: int
    withdrawn: int
    left: int
    unreadable: tuple[str, ...]
    reason: str | None

    def line(self) -> str:
        """The result in a line; empty when nothing changed and nothing is missing."""
        parts = [f"{self.added} logged" * bool(self.added), f"{self.withdrawn} withdrawn" * bool(self.withdrawn)]
        if self.left:
            parts.append(f"{self.left} not taken ({self.reason}); their records are safe")
        elif self.reason is not None:
            parts.append(f"the store did not answer ({self.reason}); the records are safe")
        return "; ".join(filter(None, parts))


@dataclass(kw_only=True)
class _Job:
    """One synchronisation under way."""

    tracker: Tracker
    deadline: Deadline
    entries: dict[str, list[Entry]]
    added: int = 0
    kept: int = 0
    withdrawn: int = 0
    left: int = 0
    unreadable: list[str] = field(default_factory=list)
    reason: str | None = None
    is_over: bool = False

    def log(self, record: Record, file: Path) -> None:
        """Log one record, unless the store has been given up."""
        if self._attempt(lambda patience: self.tracker.put(record, file, patience)):
            self.added += 1
            self.withdrawn += max(0, len(self.entries[file.stem]) - 1)
        else:
            self.left += 1

    def withdraw(self, names: Iterable[str]) -> None:
        """Take out all runs of these records."""
        for entry in [entry for name in names for entry in self.entries[name]]:
            self.withdrawn += self._attempt(partial(self._withdraw, entry.run_id))

    def _withdraw(self, run_id: str, _: Deadline) -> None:
        self.tracker.withdraw(run_id)

    def _attempt(self, action: Callable[[Deadline], None]) -> bool:
        """Do `action`, and return whether it succeeded. A slow failure ends the rest, since the store is not there."""
        if self.is_over or not self.deadline.left_s:
            self.reason = self.reason or f"not done within {self.deadline.seconds:.0f} s"
            return False
        began = time.monotonic()
        patience = Deadline(min(PATIENCE_S, self.deadline.left_s))
        try:
            within(patience, lambda: action(patience))
        except Exception as error:  # noqa: BLE001 (the store's client raises its transport's and its database's)
            self.reason = self.reason or reason(error)
            self.is_over = time.monotonic() - began > SLOW_S
            return False
        return True


def sync(journal: Journal, tracker: Tracker, *, progress: Progress = _silent, limit_s: float = UNLIMITED_S) -> Synced:
    """Bring the store to the journal's state within `limit_s`. A failure is part of the result and never raised."""
    deadline = Deadline(limit_s)
    files = {file.stem: file for file in journal.folder.glob("*.json")}
    gone = {file.name.removesuffix(BROKEN) for file in journal.folder.glob(f"*{BROKEN}")} - files.keys()
    try:
        entries = within(deadline, lambda: _entries(tracker, files, gone))
    except Exception as error:  # noqa: BLE001 (as above)
        return Synced(added=0, kept=0, withdrawn=0, left=0, unreadable=(), reason=reason(error))
    job = _Job(tracker=tracker, deadline=deadline, entries=entries)
    _run(job, files, gone, progress)
    return Synced(
        added=job.added,
        kept=job.kept,
        withdrawn=job.withdrawn,
        left=job.left,
        unreadable=tuple(job.unreadable),
        reason=job.reason,
    )


def _run(job: _Job, files: dict[str, Path], gone: set[str], progress: Progress) -> None:
    """Log the measured records first: they decide which failures still count."""
    measured: set[str] = set()
    failures: dict[str, list[str]] = defaultdict(list)
    done = {name for name, file in files.items() if _is_whole(job.entries[name], file)}
    for name in done:
        (entry,) = job.entries[name]
        measured |= {replicate_of(name)} if entry.is_measured else set()
        failures[replicate_of(name)] += [] if entry.is_measured else [name]
    job.kept = len(done)
    pending = sorted(files.keys() - done)
    for index, name in enumerate(pending):
        progress(index, len(pending))
        for record in _load(job, files[name]):
            if record.failure is None:
                measured.add(record.replicate_key)
                job.log(record, files[name])
            else:
                failures[record.replicate_key].append(name)
    _log_failures(job, files, failures, measured, done)
    job.withdraw([*gone, *job.unreadable])


def _log_failures(
    job: _Job, files: dict[str, Path], failures: dict[str, list[str]], measured: set[str], done: set[str]
) -> None:
    """Log the newest failure of each replicate that is not measured, and withdraw the other failures."""
    for key, names in failures.items():
        names.sort(key=lambda name: started(files[name]))
        superseded = names if key in measured else names[:-1]
        job.kept -= len(done & {*superseded})
        job.withdraw(superseded)
        for name in {*names} - {*superseded} - done:
            for record in _load(job, files[name]):
                job.log(record, files[name])


def _load(job: _Job, file: Path) -> Sequence[Record]:
    """The record in a file. Where there is none, the file is named as unreadable."""
    loaded = load([file])
    if loaded.rejected:
        job.unreadable.append(file.stem)
    return loaded.records


def _entries(tracker: Tracker, files: dict[str, Path], gone: set[str]) -> dict[str, list[Entry]]:
    """The store's runs of these records. An older run does not name its record; key and start identify it."""
    tracker.prepare()
    starts = {(name.partition("-")[0], int(started(file).timestamp() * 1000)): name for name, file in files.items()}
    entries: dict[str, list[Entry]] = defaultdict(list)
    for entry in tracker.entries():
        name = entry.name or starts.get((entry.key, entry.started_ms), "")
        if name in files and not entry.name:
            entries[name].append(tracker.adopt(entry, name, files[name].stat().st_size))
        elif name in files or name in gone:
            entries[name].append(entry)
    return entries


def _is_whole(entries: list[Entry], file: Path) -> bool:
    """Whether the store has exactly this record: one run, complete, of a file of this size."""
    return len(entries) == 1 and entries[0].is_complete and entries[0].bytes == file.stat().st_size
