"""A sweep under way: hand its points to the launcher, read their records, show their outcomes."""

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from benchmark.config.settings import Settings
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.ledger import GridPoint, Sweep
from benchmark.dispatch.reconcile import reconcile
from benchmark.dispatch.resume import (
    ResumePolicy,
    dominated,
    dominated_failure,
    is_clean_enough,
    resume_policy,
    unmeasured_record,
)
from benchmark.hardware.slots import Slot
from benchmark.slurm.client import Slurm
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import Tracker
from benchmark.sweep.display import conclude
from benchmark.sweep.other_sweeps import OtherSweeps, keys_of, replicates_of
from benchmark.sweep.plan import Plan, exit_code
from benchmark.util.logs import logging_to
from crossover.errors import UserError
from crossover.interrupt import INTERRUPTED
from crossover.records.record import Failure, FailureKind, Record
from crossover.records.run import Run

log = logging.getLogger(__name__)

HandOut = Callable[[SweepContext, Sequence[int], Settings], None]
"""Hands the points of a sweep at these indices out, and waits for them unless the sweep is detached."""
SlotsOf = Callable[[Sequence[Run], Settings], Sequence[Slot] | None]
"""The slots that the launcher would measure runs on, each with a process of its own; None where it has none.

Raises:
    UserError: when one is not there, or the launcher cannot do what the settings ask of it.
"""


def no_slots(_: Sequence[Run], __: Settings) -> None:
    """The slots of a launcher that has none, and takes all settings."""


LAUNCHER_LOG = "launcher.log"
SYNC_S = 60.0
"""How long a sweep that is done waits for the tracking store before it ends."""


@dataclass(frozen=True, kw_only=True)
class SweepDriver:
    """Hands out the points of a planned sweep and reads their records.

    The driver knows the records that the last `read_records` read. It reads at the start, after each launch and at the
    end.
    """

    context: SweepContext
    plan: Plan
    settings: Settings
    hand_out: HandOut
    tracker: Tracker | None

    @property
    def sweep(self) -> Sweep:
        """The sweep's ledger."""
        return self.context.sweep

    @cached_property
    def resume_policy(self) -> ResumePolicy:
        """Which records count as done for this sweep."""
        return resume_policy(self.sweep)

    @cached_property
    def _other_sweeps(self) -> OtherSweeps:
        return OtherSweeps(self.context)

    def read_records(self) -> None:
        """Read the records of this sweep's points that were not read before."""
        self.context.records.refresh(keys_of(self.plan.points))

    def set_aside_broken(self) -> None:
        """Rename the files of this sweep's points that hold no record, and name them."""
        for line in self.context.records.set_aside_broken(keys_of(self.plan.points)):
            self.context.say(line)

    def record_infeasible(self) -> None:
        """Give each point that no machine can run its record, unless it has one."""
        done = self.done(self.plan.infeasible)
        for point in self.plan.infeasible:
            if point.replicate_key not in done:
                assert point.run.infeasible
                self._record(point, Failure(kind=FailureKind.infeasible, message=point.run.infeasible))

    def launch(self, points: Sequence[GridPoint]) -> bool:
        """Run those points that are not done, and wait for those that another sweep is measuring.

        Returns:
            Whether the launcher went through all of them, also if some failed.

        Raises:
            UserError: when nothing could be started.
            KeyboardInterrupt: when the person at the keyboard stopped it.
        """
        missing = self._missing(points)
        elsewhere = replicates_of(each.point for each in self._other_sweeps.under_way(missing) if not each.is_free)
        if not missing:
            return True
        started = self._start([point for point in missing if point.replicate_key not in elsewhere])
        self.read_records()
        if started and not self.settings.detach:
            self._follow(self._without_outcome(missing))
            self._retry(missing)
        return started

    def done(self, points: Collection[GridPoint]) -> dict[str, Record]:
        """The records of these points that count as done, by their replicates' keys."""
        return self.resume_policy.done(self._records_of(points))

    def outcomes(self, points: Collection[GridPoint]) -> dict[str, Record]:
        """The outcome of each point, by its replicate's key: the record that counts, or the latest of this sweep."""
        return self.resume_policy.outcomes(self._records_of(points))

    def _records_of(self, points: Collection[GridPoint]) -> list[Record]:
        wanted = replicates_of(points)
        return [each for each in self.context.records.of(keys_of(points)) if each.replicate_key in wanted]

    def finish(self, points: Sequence[GridPoint], *, interrupted: bool) -> None:
        """Show the table of `points` and what is missing.

        Raises:
            SystemExit: with the sweep's exit code, unless it is 0.
        """
        statuses = reconcile(self.sweep, Slurm(), self.context.records)
        live = [each for each in statuses if each.is_live and each.job]
        self._synchronise()
        self.read_records()
        outcomes = self.outcomes(points)
        records = [outcomes[point.replicate_key] for point in points if point.replicate_key in outcomes]
        conclude(self.context.console, records, self.settings.output_dir, self.tracker)
        missing = len(points) - len(records)
        if live:
            follow = f"python -m benchmark.status {self.settings.output_dir} --follow"
            self.context.say(f"{len(live)} {self._unit} are under way: {follow}")
        elif missing:
            self.context.say(f"{missing} of {len(points)} {self._unit} have no record: give the command again")
        if interrupted:
            raise SystemExit(INTERRUPTED)
        if live and not records:
            return  # detached: the points are handed out, and none has ended
        if code := exit_code(records, expected=len(points) - len(live)):
            raise SystemExit(code)

    def _missing(self, points: Sequence[GridPoint]) -> list[GridPoint]:
        """Points without a record that counts. With `skip_dominated`, dominated points get their record here."""
        done = self.done(points)
        missing = [point for point in points if point.replicate_key not in done]
        if not self.settings.skip_dominated:
            return missing
        smaller = {point.key: dominated(point.run, done.values()) for point in missing}  # of any replicate
        for point in missing:
            if (cause := smaller[point.key]) is not None:
                self._record(point, dominated_failure(cause))
        return [point for point in missing if smaller[point.key] is None]

    def _start(self, points: Sequence[GridPoint]) -> bool:
        """Hand points to the launcher. Returns whether it went through them."""
        if not points:
            return True
        try:
            self.hand_out(self.context, [self.sweep.indices[point.replicate_key] for point in points], self.settings)
        except UserError:
            raise
        except Exception as error:  # a launcher's own failure must not hide the points that are done
            with suppress(OSError), logging_to(self.sweep.logs / LAUNCHER_LOG):  # it may be the disk that is full
                log.exception("the launcher stopped")
            words = " ".join(f"{type(error).__name__}: {error}".split())
            self.context.say(f"the launcher stopped ({words}); its log: {self.sweep.logs / LAUNCHER_LOG}")
            return False
        return True

    def _follow(self, points: Sequence[GridPoint]) -> None:
        """Wait until no other sweep is at these points any more; run the points that those sweeps did not."""
        if not points:
            return
        self._other_sweeps.wait(points)
        self.read_records()
        if left := self._without_outcome(points):
            self._start(left)
            self.read_records()

    def _without_outcome(self, points: Sequence[GridPoint]) -> list[GridPoint]:
        outcomes = self.outcomes(points)
        return [point for point in points if point.replicate_key not in outcomes]

    def _retry(self, points: Sequence[GridPoint]) -> None:
        """Measure points again that were measured while the machine was disturbed, each round after all of them."""
        for again in range(self.settings.retries):
            outcomes = self.outcomes(points)
            disturbed = [point for point in points if self._is_disturbed(outcomes.get(point.replicate_key))]
            if not disturbed:
                return
            self.context.say(
                f"the machine was disturbed in {len(disturbed)} of {len(points)} measurements: measuring again,"
                f" {again + 1} of at most {self.settings.retries} times"
            )
            if not self._start(disturbed):
                return
            self.read_records()

    def _is_disturbed(self, record: Record | None) -> bool:
        measured = None if record is None else record.measurement
        return measured is not None and not is_clean_enough(measured, self.settings.strict)

    @property
    def _unit(self) -> str:
        return "measurements" if self.plan.replicates > 1 else "grid points"

    def _record(self, point: GridPoint, failure: Failure) -> None:
        """Put the record of a point on disk that no job runs."""
        record = replace(unmeasured_record(point.run, self.sweep.id, failure), replicate=point.replicate)
        path = self.context.records.journal.write(record)
        if self.tracker and (problem := self.tracker.log(record, path)):
            self.context.say(f"MLflow did not take {record.title} ({problem}); its record is safe: {path}")

    def _synchronise(self) -> None:
        """Bring the tracking store to the journal's state. Name the records that it did not take, which are safe."""
        if self.tracker is None:
            return
        with self.context.console.status("bringing MLflow up to date"):
            synced = sync(self.context.records.journal, self.tracker, limit_s=SYNC_S)
        if synced.reason is not None:
            self.context.say(f"MLflow: {synced.line()}; later: python -m benchmark.sync {self.settings.output_dir}")
