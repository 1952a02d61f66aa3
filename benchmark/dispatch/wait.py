"""Watch jobs of a sweep until all are over: counts on a terminal, a line for each point that ends."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.reconcile import JobStatus, PointStatus, point_statuses, reconcile
from benchmark.dispatch.resume import resume_policy
from benchmark.execution.display import finished, title
from benchmark.slurm.client import Slurm
from benchmark.store.journal import Journal
from crossover.records.record import Record

FIRST_LOOK_S = 1.0
LONGEST_S = 10.0
SLOWER = 1.3
"""Looks become rarer by this factor, up to the longest: a scheduler has other users."""
SETTLE_S = 3.0
"""Time for the last records to arrive over a network file system, once for all jobs."""
QUIET_S = 60.0
"""Without a terminal, counts are printed so often at most."""


class JobWaiter:
    """Waits for points of one sweep; `each` is called after every look."""

    def __init__(self, sweep: Sweep, console: Console, slurm: Slurm, each: Callable[[], None] = lambda: None) -> None:
        self._sweep = sweep
        self._console = console
        self._slurm = slurm
        self._each = each
        self._policy = resume_policy(sweep)
        self._seen: dict[str, Record] = {}
        self._printed = time.monotonic()

    def wait(self, indices: Collection[int]) -> None:
        """Return when no job of these points is left, and each has its record."""
        delay = FIRST_LOOK_S
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                found = [each for each in point_statuses(self._sweep, self._slurm) if each.index in indices]
                self._show_finished(indices)
                self._show_counts(found, live)
                if all(self._is_over(each) for each in found):
                    break
                time.sleep(delay)
                delay = min(delay * SLOWER, LONGEST_S)
                self._each()
        self.finish(indices)

    def finish(self, indices: Collection[int]) -> None:
        """Give the last records a moment, then write those that are missing."""
        if any(each.failure is not None for each in point_statuses(self._sweep, self._slurm)):
            time.sleep(SETTLE_S)
        reconcile(self._sweep, self._slurm)
        self._show_finished(indices)

    def _is_over(self, status: PointStatus) -> bool:
        """A job that is over; or, while the scheduler does not answer, a point that has its record."""
        if status.status is JobStatus.unknown:
            return status.entry.key in self._seen
        return not status.is_live

    def _show_finished(self, indices: Collection[int]) -> None:
        keys = {self._sweep.entries[index].key for index in indices}
        journal = Journal(output_dir=Path(self._sweep.output_dir))
        for record in journal.fresh(keys, self._sweep.began, set(self._seen)):
            if record.sweep == self._sweep.id or self._policy.is_done(record):  # also what another sweep measured
                self._seen[record.key] = record
                heading = title(self._sweep.indices[record.key], len(self._sweep.entries), record.name)
                finished(self._console, heading, record)

    def _show_counts(self, found: Collection[PointStatus], live: Live) -> None:
        line = counts(found, self._seen)
        if self._console.is_terminal:
            live.update(Text(line), refresh=True)
        elif time.monotonic() - self._printed > QUIET_S:
            self._printed = time.monotonic()
            self._console.print(line, highlight=False)


def counts(found: Collection[PointStatus], records: Mapping[str, Record]) -> str:
    """How many points are done, failed, running, queued."""
    number = Counter(str(each.status) for each in found if each.is_live and each.entry.key not in records)
    done = sum(record.failure is None for record in records.values())
    number |= Counter({"done": done, "failed": len(records) - done})
    return ", ".join(
        f"{number[word]} {word}" for word in ("done", "failed", "running", "queued", "unknown") if number[word]
    )
