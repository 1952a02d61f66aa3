"""A planned sweep under way: its points launched, its records found, what became of them said."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hydra.core.utils import JobReturn
from rich.console import Console

from benchmark.config.settings import Settings
from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.reconcile import PointStatus, reconcile, reconcile_all
from benchmark.dispatch.resume import ResumePolicy, dominated, dominated_failure, resume_policy, unmeasured_record
from benchmark.slurm.client import Slurm
from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import Tracker
from benchmark.sweep.display import conclude
from benchmark.sweep.plan import Plan, Point, exit_code
from benchmark.util.logs import logging_to
from crossover.errors import UserError
from crossover.records.record import Failure, FailureKind, Record
from crossover.terminal import INTERRUPTED

log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]
"""Hydra's way to start jobs: the overrides of each, and the number of the first."""

LAUNCHER_LOG = "launcher.log"
SYNC_S = 60.0
"""How long the tracking store may keep a sweep that is done from ending."""
LOOK_S = 2.0
"""How often to look for points that another sweep is measuring."""


@dataclass(frozen=True, kw_only=True)
class SweepDriver:
    """A planned sweep under way: launches its points, finds their records, says what became of them."""

    console: Console
    plan: Plan
    settings: Settings
    sweep: Sweep
    launcher: Launch
    tracker: Tracker | None

    @property
    def journal(self) -> Journal:
        """Where this sweep's records are."""
        return Journal(output_dir=self.settings.output_dir)

    @property
    def resume_policy(self) -> ResumePolicy:
        """What this sweep takes for done."""
        return resume_policy(self.sweep)

    def record_infeasible(self) -> None:
        """Give each point that no machine can run its record, unless it has one."""
        done = self.done(self.plan.infeasible)
        for point in self.plan.infeasible:
            if point.run.key not in done:
                assert point.run.infeasible
                self.record(
                    unmeasured_record(
                        point.run, self.sweep.id, Failure(kind=FailureKind.infeasible, message=point.run.infeasible)
                    )
                )

    def record(self, record: Record) -> None:
        """Put a record on disk that no job writes."""
        path = self.journal.write(record)
        if self.tracker and (problem := self.tracker.log(record, path)):
            self.say(f"MLflow did not take {record.name} ({problem}); its record is safe: {path}")

    def launch(self, points: Sequence[Point]) -> bool:
        """Run those points that are not done, and wait for those that another sweep is measuring.

        Returns:
            Whether the launcher went through them, whatever became of each.

        Raises:
            UserError: when nothing could be started.
            KeyboardInterrupt: when the person at the keyboard stopped it.
        """
        missing = self._missing(points)
        elsewhere = self._elsewhere(missing)
        started = self._start([point for point in missing if point.run.key not in elsewhere])
        if started and not self.settings.detach:
            found = self.found(missing)
            self._follow([point for point in missing if point.run.key not in found])
        return started

    def _start(self, points: Sequence[Point]) -> bool:
        """Hand points to the launcher; whether it went through them."""
        jobs = [[*point.overrides, f"sweep.id={self.sweep.id}", f"sweep.index={self.index(point)}"] for point in points]
        try:
            if jobs:
                self.launcher(jobs, self.index(points[0]))
        except UserError:
            raise
        except Exception as error:  # a launcher's own failure must not hide the points that are done
            with suppress(OSError), logging_to(self.sweep.logs / LAUNCHER_LOG):  # it may be the disk that is full
                log.exception("the launcher stopped")
            words = " ".join(f"{type(error).__name__}: {error}".split())
            self.say(f"the launcher stopped ({words}); its log: {self.sweep.logs / LAUNCHER_LOG}")
            return False
        return True

    def _missing(self, points: Sequence[Point]) -> list[Point]:
        """Points without a record that counts; those larger than one that ran out of memory get theirs, when asked."""
        done = self.done(points)
        missing = [point for point in points if point.run.key not in done]
        if not self.settings.skip_dominated:
            return missing
        smaller = {point.run.key: dominated(point.run, done) for point in missing}
        for point in missing:
            if (cause := smaller[point.run.key]) is not None:
                self.record(unmeasured_record(point.run, self.sweep.id, dominated_failure(cause)))
        return [point for point in missing if smaller[point.run.key] is None]

    def _elsewhere(self, points: Sequence[Point]) -> dict[str, PointStatus]:
        """Those points that another sweep has under way, by their keys."""
        live = reconcile_all(self.settings.output_dir, Slurm(), besides=self.sweep.id)
        keys = {point.run.key for point in points}
        return {key: status for key, status in live.items() if key in keys}

    def _follow(self, points: Sequence[Point]) -> None:
        """Wait until no other sweep is at these points any more; run what they leave undone."""
        elsewhere = self._elsewhere(points)
        if elsewhere:
            self.say(
                f"{len(elsewhere)} grid points are under way in another sweep ({next(iter(elsewhere.values())).who}):"
                " waiting for their records"
            )
            with self.console.status(f"waiting for {len(elsewhere)} grid points of another sweep"):
                while elsewhere:
                    time.sleep(LOOK_S)
                    elsewhere = self._elsewhere(points)
        found = self.found(points)
        self._start([point for point in points if point.run.key not in found])

    def index(self, point: Point) -> int:
        """Where a point stands in the ledger."""
        return self.sweep.indices[point.run.key]

    def done(self, points: Collection[Point]) -> dict[str, Record]:
        """The records that count as done, by the keys of their runs."""
        return self.resume_policy.done(self.journal.of({point.run.key for point in points}).records)

    def found(self, points: Collection[Point]) -> dict[str, Record]:
        """What became of points, by the keys of their runs: what is done, else the latest failure since we began."""
        records = self.journal.of({point.run.key for point in points}).records
        recent = {
            each.key: each for each in records if each.sweep == self.sweep.id or each.started_at >= self.sweep.began
        }
        return recent | self.resume_policy.done(records)

    def records(self) -> dict[str, Record]:
        """The records of this sweep's points so far, by the keys of their runs."""
        return self.found(self.plan.points)

    def finish(self, points: Sequence[Point], *, interrupted: bool) -> None:
        """Show the table of `points` and what is missing.

        Raises:
            SystemExit: with the sweep's exit code, unless it is 0.
        """
        live = [each for each in reconcile(self.sweep, Slurm()) if each.is_live and each.job]
        self.synchronise()
        found = self.found(points)
        records = [found[point.run.key] for point in points if point.run.key in found]
        conclude(self.console, records, self.settings.output_dir, self.tracker)
        missing = len(points) - len(records)
        if live:
            self.say(
                f"{len(live)} grid points are under way: python -m benchmark.status {self.settings.output_dir} --follow"
            )
        elif missing:
            self.say(f"{missing} of {len(points)} grid points have no record: give the command again")
        if interrupted:
            raise SystemExit(INTERRUPTED)
        if live and not records:
            return  # handed out, and nothing to judge yet
        if code := exit_code(records, expected=len(points) - len(live)):
            raise SystemExit(code)

    def synchronise(self) -> None:
        """Bring the tracking store to the journal's state; what it does not take is safe there, and said."""
        if self.tracker is None:
            return
        with self.console.status("bringing MLflow up to date"):
            synced = sync(self.journal, self.tracker, limit_s=SYNC_S)
        if synced.reason is not None:
            self.say(f"MLflow: {synced.line()}; later: python -m benchmark.sync {self.settings.output_dir}")

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
