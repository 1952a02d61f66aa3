"""Grid points that another sweep of the same output folder has under way: each is measured once, for both."""

import time
from collections.abc import Collection, Iterable
from pathlib import Path

from benchmark.dispatch.batches import find_batches
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.ledger import GridPoint, SweepReader
from benchmark.dispatch.point_status import PointStatus
from benchmark.dispatch.reconcile import reconcile_all
from benchmark.slurm.client import Slurm

LOOK_S = 2.0
"""How often to look for points that another sweep is measuring."""


class OtherSweeps:
    """The sweeps beside the one of `context`."""

    def __init__(self, context: SweepContext) -> None:
        self._context = context
        self._sweeps = SweepReader(Path(context.sweep.output_dir))
        self._told: set[str] = set()

    def under_way(self, points: Collection[GridPoint]) -> list[PointStatus]:
        """Those points that another sweep has under way."""
        self._tell_damaged()
        live = reconcile_all(self._sweeps, Slurm(), self._context.records, besides=self._context.sweep.id)
        wanted = replicates_of(points)
        return [each for each in live if each.point.replicate_key in wanted]

    def wait(self, points: Collection[GridPoint]) -> None:
        """Return when no other sweep has any of these points under way."""
        under_way = self.under_way(points)
        if not under_way:
            return
        number = len(replicates_of(each.point for each in under_way))
        self._context.say(
            f"{number} grid points are under way in another sweep ({under_way[0].who}): waiting for their records"
        )
        with self._context.console.status(f"waiting for {number} grid points of another sweep"):
            while under_way:
                time.sleep(LOOK_S)
                under_way = self.under_way(points)

    def _tell_damaged(self) -> None:
        """Name the files of open sweeps that cannot be read, each once."""
        open_sweeps = self._sweeps.open(besides=self._context.sweep.id)
        damaged = [*self._sweeps.unreadable, *(line for sweep in open_sweeps for line in find_batches(sweep).damaged)]
        for line in damaged:
            if line not in self._told:
                self._told.add(line)
                self._context.say(line)


def replicates_of(points: Iterable[GridPoint]) -> set[str]:
    """The keys of points' replicates."""
    return {point.replicate_key for point in points}


def keys_of(points: Iterable[GridPoint]) -> set[str]:
    """The keys of points."""
    return {point.key for point in points}
