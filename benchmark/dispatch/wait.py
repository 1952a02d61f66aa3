"""Watch jobs of a sweep until all are over: counts on a terminal, a line for each point that ends."""

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping

from rich.live import Live
from rich.text import Text

from benchmark.dispatch.batches import find_batches
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.point_status import JobStatus, PointStatus, point_statuses, waiting
from benchmark.dispatch.reconcile import reconcile
from benchmark.dispatch.resume import resume_policy, start_of
from benchmark.execution.display import finished
from benchmark.slurm.client import Slurm
from crossover.errors import UserError
from crossover.printable import printable
from crossover.records.record import Record

FIRST_LOOK_S = 1.0
LONGEST_S = 10.0
SLOWER = 1.3
"""The time between two looks grows by this factor, up to the longest: a scheduler has other users."""
LONGEST_VARIABLE = "CROSSOVER_LOOK_S"
"""The environment variable that sets another longest time between two looks, in seconds; it bounds every wait here."""
SETTLE_S = 3.0
"""Time for the last records to arrive over a network file system, once for all jobs."""
QUIET_S = 60.0
"""The least time between two lines of counts where there is no terminal."""
SubmitMore = Callable[[Collection[PointStatus]], int]
"""Submits jobs that SLURM did not take before; returns how many are still to be submitted."""


class JobWaiter:
    """Waits for points of one sweep; `after_look` is called after every look."""

    def __init__(
        self,
        context: SweepContext,
        slurm: Slurm,
        after_look: Callable[[], None] = lambda: None,
        *,
        longest_s: float | None = None,
    ) -> None:
        self._context = context
        self._sweep = context.sweep
        self._slurm = slurm
        self._after_look = after_look
        self._policy = resume_policy(context.sweep)
        self._seen: dict[str, Record] = {}
        self._before = {start_of(each) for each in self._records() if each.sweep == self._sweep.id}
        self._reasons: list[str] = []
        self._damaged: set[str] = set()
        self._longest_s = longest_look_s() if longest_s is None else longest_s
        self._printed = time.monotonic()

    def wait(
        self,
        indices: Collection[int],
        submit_more: SubmitMore = lambda _: 0,
        is_over: Callable[[], bool] | None = None,
    ) -> None:
        """Return when no job of these points is left, and each that was submitted has its record.

        `submit_more` is called at every look with the points' statuses. `is_over`, where it is given, tells
        whether all processes have ended; the points' statuses do not tell it then.
        """
        delay = FIRST_LOOK_S
        left = submit_more([])
        with Live(console=self._context.console, auto_refresh=False, transient=True) as live:
            while True:
                statuses = [each for each in point_statuses(self._sweep, self._slurm) if each.index in indices]
                self._show_damage()
                self._show_finished(indices)
                self._show_counts(statuses, left, live)
                if self._all_over(statuses) and not left if is_over is None else is_over():
                    break
                left = submit_more(statuses)
                time.sleep(min(delay, self._longest_s))
                delay *= SLOWER
                self._after_look()
        self.finish(indices)

    def finish(self, indices: Collection[int]) -> None:
        """Give the last records a moment, then write those that are missing."""
        if any(each.failure is not None for each in point_statuses(self._sweep, self._slurm)):
            time.sleep(min(SETTLE_S, self._longest_s))
        reconcile(self._sweep, self._slurm, self._context.records)
        self._show_finished(indices)

    def _all_over(self, statuses: Collection[PointStatus]) -> bool:
        return all(self._is_over(each) for each in statuses)

    def _is_over(self, status: PointStatus) -> bool:
        """Whether a point's job is over; while the scheduler does not answer, whether the point has its record."""
        if status.job_status is JobStatus.unknown:
            return status.point.replicate_key in self._seen
        return not status.is_live

    def _show_damage(self) -> None:
        """Name each batch that cannot be read any more, once: its points are handed out again at the end."""
        for line in find_batches(self._sweep).damaged:
            if line not in self._damaged:
                self._damaged.add(line)
                self._context.say(line)

    def _show_finished(self, indices: Collection[int]) -> None:
        waited = {self._sweep.entries[index].replicate_key: index for index in indices}
        self._context.records.refresh(
            {self._sweep.entries[waited[key]].key for key in waited.keys() - self._seen.keys()}
        )
        for record in self._records():
            key = record.replicate_key
            if key in waited and key not in self._seen and self._is_news(record):
                self._seen[key] = record
                finished(self._context.console, self._context.heading(waited[key]), record)

    def _records(self) -> list[Record]:
        return self._context.records.of({point.key for point in self._sweep.entries})

    def _is_news(self, record: Record) -> bool:
        """Whether a record is of these jobs, or of another sweep that measured the point since this one began."""
        return (
            start_of(record) not in self._before
            and self._policy.is_new(record)
            and (record.sweep == self._sweep.id or self._policy.is_done(record))
        )

    def _show_counts(self, statuses: Collection[PointStatus], left: int, live: Live) -> None:
        reasons = waiting(statuses)
        line = "; ".join([counts(statuses, self._seen, left), *reasons])
        if self._context.console.is_terminal:
            live.update(Text(printable(line)), refresh=True)
        elif reasons != self._reasons or time.monotonic() - self._printed > QUIET_S:
            self._printed, self._reasons = time.monotonic(), reasons
            self._context.say(line)


def counts(statuses: Collection[PointStatus], records: Mapping[str, Record], left: int = 0) -> str:
    """How many points are done, failed, running, queued; how many jobs are not submitted."""
    live = [each for each in statuses if each.is_live and each.point.replicate_key not in records]
    number = Counter(str(each.job_status) for each in live)
    done = sum(record.failure is None for record in records.values())
    number |= Counter({"done": done, "failed": len(records) - done, "not submitted": left})
    words = ("done", "failed", "running", "queued", "unknown", "not submitted")
    return ", ".join(f"{number[word]} {word}" for word in words if number[word])


def longest_look_s() -> float:
    """The longest time between two looks.

    Raises:
        UserError: when the environment variable is no positive number.
    """
    given = os.environ.get(LONGEST_VARIABLE, "").strip() or str(LONGEST_S)
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"{LONGEST_VARIABLE}={given}: give a number of seconds above 0, such as {LONGEST_S:g}")
    return seconds
