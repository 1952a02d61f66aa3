"""Bring an MLflow store to the state of the journal, which is the truth.

Afterwards the store has exactly one run for each measured record, and exactly one, that of its newest failure, for
each point that was not measured yet. A run that a killed job left half logged is completed. Doubles, and runs of
records that are superseded, broken or deleted, are withdrawn. A second synchronisation changes nothing. It may run
beside jobs, since a program that logs a record locks the record's file meanwhile.
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
    try:
        both = within(deadline, lambda: _look(journal, tracker))
    except Exception as error:  # noqa: BLE001 (as above)
        return Synced(added=0, kept=0, withdrawn=0, left=0, unreadable=(), reason=reason(error))
    job = _Job(tracker=tracker, deadline=deadline, entries=both.entries)
    _run(job, both, progress)
    return Synced(
        added=job.added,
        kept=job.kept,
        withdrawn=job.withdrawn,
        left=job.left,
        unreadable=tuple(job.unreadable),
        reason=job.reason,
    )


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """The journal's files, and the store's runs of them and of records that are gone, by the names of records."""

    files: dict[str, Path]
    entries: dict[str, list[Entry]]
    gone: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class _Ended:
    """How a run ended, by its file. `key` is its replicate's; `is_logged`: the store has exactly this record."""

    file: Path
    key: str
    is_measured: bool
    is_logged: bool


def _run(job: _Job, both: _Contents, progress: Progress) -> None:
    """Log what the store lacks of the records that it should have, and withdraw the runs of all others."""
    ended = [each for name, file in sorted(both.files.items()) if (each := _ended(job, job.entries[name], file))]
    wanted = _wanted(ended)
    missing = [each for each in wanted if not each.is_logged]
    job.kept = len(wanted) - len(missing)
    for index, each in enumerate(missing):
        progress(index, len(missing))
        for record in load([each.file]).records:
            job.log(record, each.file)
    superseded = {each.file.stem for each in ended} - {each.file.stem for each in wanted}
    job.withdraw([*superseded, *both.gone, *job.unreadable])


def _ended(job: _Job, entries: list[Entry], file: Path) -> _Ended | None:
    """How the run of a file ended, by the store where it has just this record; None where the file is no record."""
    if _is_whole(entries, file):
        return _Ended(file=file, key=replicate_of(file.stem), is_measured=entries[0].is_measured, is_logged=True)
    for record in load([file]).records:
        return _Ended(file=file, key=record.replicate_key, is_measured=record.failure is None, is_logged=False)
    job.unreadable.append(file.stem)
    return None


def _wanted(ended: Sequence[_Ended]) -> list[_Ended]:
    """All measurements, then the newest failure of each replicate that is not measured."""
    measured = [each for each in ended if each.is_measured]
    failed = sorted((each for each in ended if not each.is_measured), key=lambda each: started(each.file))
    newest = {each.key: each for each in failed}
    for each in measured:
        newest.pop(each.key, None)
    return measured + list(newest.values())


def _look(journal: Journal, tracker: Tracker) -> _Contents:
    """Look at the store, then at the journal: a record is on disk before its run is in the store.

    An older run does not name its record; key and start identify it. A record is gone when its file was set aside as
    broken, or when a sweep of this output folder made it and its file was deleted.
    """
    tracker.prepare()
    runs = list(tracker.entries())
    files = {file.stem: file for file in journal.all_files().values()}
    broken = {file.name.removesuffix(BROKEN) for file in journal.folder.glob(f"*{BROKEN}")}
    sweeps = journal.sweeps if journal.folder.is_dir() else set()
    starts = {(name.partition("-")[0], int(started(file).timestamp() * 1000)): name for name, file in files.items()}
    entries: dict[str, list[Entry]] = defaultdict(list)
    gone = set()
    for entry in runs:
        name = entry.name or starts.get((entry.key, entry.started_ms), "")
        if name in files:
            entries[name].append(entry if entry.name else tracker.adopt(entry, name, files[name].stat().st_size))
        elif name and (name in broken or entry.sweep in sweeps):
            entries[name].append(entry)
            gone.add(name)
    return _Contents(files=files, entries=entries, gone=frozenset(gone))


def _is_whole(entries: list[Entry], file: Path) -> bool:
    """Whether the store has exactly this record: one run, complete, of a file of this size."""
    return len(entries) == 1 and entries[0].is_complete and entries[0].bytes == file.stat().st_size
