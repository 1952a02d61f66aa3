"""The time of forward passes that were not timed, from the times of those that were.

What a forward pass takes depends on its rows, on how many positions of each it computes, on how many it attends to, and
a little on how many are read by the output head. It does not depend on what the tokens are. So passes that compute
equally many positions are taken together, and in between their time runs straight: along the positions read where those
alone differ, along the positions attended to where those alone do, and on a plane where both do. Where fewer positions
are attended to than were timed, the line goes on; where more are, nothing is said. Beyond the numbers of positions
read, the nearest counts. What is made in this way is called composed wherever it is shown: docs/protocol.md.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from analysis.statistics.arrays import Floats
from analysis.statistics.latency_checks import LONGEST_S

Curve = Callable[[Floats, Floats], Floats]
"""Seconds of passes, from the positions that each attends to and reads."""


class Forward(NamedTuple):
    """One forward pass of a batch: positions of a row computed, attended to, and read by the head."""

    computed: int
    kept: float
    read: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds of forward passes of one batch size, by the positions that they compute."""

    by_computed: dict[int, tuple[Floats, Floats, Floats]]
    """Positions kept, positions read, and seconds of the passes that were timed."""

    def knows(self, computed: int) -> bool:
        """Whether a pass that computes so many positions was timed."""
        return computed in self.by_computed

    def seconds(self, forwards: Iterable[Forward]) -> float:
        """All of these together, each as long as those that were timed say.

        Raises:
            KeyError: when none was timed that computes as many positions, or attends to as many.
        """
        planned: dict[int, list[Forward]] = defaultdict(list)
        for forward in forwards:
            planned[forward.computed].append(forward)
        return float(sum(self._seconds(each, alike).sum() for each, alike in planned.items()))

    def one(self, forward: Forward) -> float:
        """A single pass; see above."""
        return self.seconds([forward])

    @cached_property
    def _curves(self) -> dict[int, Curve]:
        """By the positions that passes compute, what gives their seconds: each fitted when it is first asked for."""
        return {}

    def _seconds(self, computed: int, wanted: Sequence[Forward]) -> Floats:
        kept_W, read_W = (np.array([getattr(each, name) for each in wanted], float) for name in ("kept", "read"))
        if kept_W.max() > self.by_computed[computed][0].max():
            raise KeyError(kept_W.max())
        if computed not in self._curves:
            self._curves[computed] = _curve(*self.by_computed[computed])
        return self._curves[computed](kept_W, read_W)


def _curve(kept_T: Floats, read_T: Floats, seconds_T: Floats) -> Curve:
    """What gives the seconds of passes that compute equally many positions, from those of the timed ones."""
    if np.ptp(kept_T) == 0:
        between = _between(read_T, seconds_T)
        return lambda _, read_W: between(read_W)
    if np.ptp(read_T) == 0:
        from_below = _from_below(kept_T, seconds_T)
        return lambda kept_W, _: from_below(kept_W)
    return _plane(kept_T, read_T, seconds_T)


def _plane(kept_T: Floats, read_T: Floats, seconds_T: Floats) -> Curve:
    columns_TC = np.stack([np.ones_like(kept_T), kept_T, read_T], axis=1)
    plane_C = np.linalg.lstsq(columns_TC, seconds_T, rcond=None)[0]

    def seconds(kept_W: Floats, read_W: Floats) -> Floats:
        plane: Floats = plane_C[0] + plane_C[1] * kept_W + plane_C[2] * read_W
        return np.maximum(plane, 0.0)

    return seconds


def costs(timed: Iterable[tuple[Forward, float]]) -> Costs:
    """What the timed passes say; of passes that are alike in all three, the median."""
    alike: dict[Forward, list[float]] = defaultdict(list)
    for forward, seconds in timed:
        alike[forward].append(seconds)
    return costs_of(alike)


def costs_of(alike: Mapping[Forward, Sequence[float]]) -> Costs:
    """The same from the seconds of each kind of pass; those that no pass can take are left out."""
    by_computed: dict[int, list[tuple[float, float, float]]] = defaultdict(list)
    for forward, seen in alike.items():
        if possible := [seconds for seconds in seen if 0.0 <= seconds <= LONGEST_S]:
            by_computed[forward.computed].append((forward.kept, forward.read, float(np.median(possible))))
    return Costs(by_computed={computed: tuple(np.array(rows, float).T) for computed, rows in by_computed.items()})


def _between(along_T: Floats, seconds_T: Floats) -> Callable[[Floats], Floats]:
    """On straight lines between neighbours, none of which coincide: those that are alike are one by their median."""
    order_T = np.argsort(along_T)
    return lambda wanted_W: np.interp(wanted_W, along_T[order_T], seconds_T[order_T])


def _from_below(along_T: Floats, seconds_T: Floats) -> Callable[[Floats], Floats]:
    """The same, but that below its beginning the straight line through all of them goes on, down to nothing."""
    first, between = along_T.min(), _between(along_T, seconds_T)
    slope = float(np.polyfit(along_T - first, seconds_T, 1)[0])
    at_first = between(np.array([first]))

    def seconds(wanted_W: Floats) -> Floats:
        below_W = at_first + (wanted_W - first) * slope
        return np.where(wanted_W < first, np.maximum(below_W, 0.0), between(wanted_W))

    return seconds
