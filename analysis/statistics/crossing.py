"""Where the curve of quality against steps crosses the baseline, between the K that were measured.

S_parity is one of a few K; the crossing behind it is a number. Its estimate takes the advantage to run straight between
neighbouring K on a logarithmic scale. Its interval takes nothing of the kind for granted: between two rungs of the
ladder a curve may have any shape, so that an end lies at a measured K. The interval begins at the K below the first
one that is not significantly worse than the baseline, and ends at the first that is significantly better. It holds in
95% or more for every curve that does not fall between two neighbouring K, however far apart they are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import Flags, Floats
from analysis.statistics.timing import Latency, between


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Steps at which diffusion is just as good as the baseline, with the ends of the 95% interval.

    The estimate lies between the K that were measured, or is 0 for below the smallest, infinite for above the
    largest. The ends are measured K, 0 or infinite. `possible` is the interval of S_parity: the first K that is not
    significantly worse, and the first that is significantly better; None where there is none.
    """

    steps: float
    low: float
    high: float
    possible: tuple[int | None, int | None]

    @property
    def is_inside(self) -> bool:
        """Whether the curves cross between measured K."""
        return 0.0 < self.steps < math.inf


def find_crossing(steps: Sequence[int], advantage_K: Floats, not_worse_K: Flags, better_K: Flags) -> Crossing:
    """The first upward crossing of 0.

    Args:
        steps: the K, smallest first.
        advantage_K: the estimate at each K, 0 at parity.
        not_worse_K: whether each K is not significantly worse than the baseline.
        better_K: whether each K is significantly better.
    """
    low, high = _first(steps, not_worse_K), _first(steps, better_K)
    return Crossing(
        steps=_interpolated(steps, advantage_K),
        low=_below(steps, low),
        high=math.inf if high is None else 0.0 if high == steps[0] else float(high),
        possible=(low, high),
    )


def latency_at(steps: Sequence[int], times: Sequence[Latency], where: float) -> Latency:
    """The latency at `where` steps: its logarithm runs straight between neighbouring K, as that of K itself."""
    logs = [math.log2(k) for k in steps]
    position = float(np.interp(math.log2(where), logs, range(len(logs))))
    index = min(int(position), max(0, len(steps) - 2))
    return between(times[index], times[min(index + 1, len(times) - 1)], position - index)


def _first(steps: Sequence[int], holds_K: Flags) -> int | None:
    return next((k for k, holds in zip(steps, holds_K, strict=True) if holds), None)


def _below(steps: Sequence[int], k: int | None) -> float:
    """The K before `k`: 0 before the smallest, infinity where every K is worse."""
    if k is None:
        return math.inf
    index = list(steps).index(k)
    return float(steps[index - 1]) if index else 0.0


def _interpolated(steps: Sequence[int], advantage_K: Floats) -> float:
    """Where the straight lines between the K first reach 0: 0 when they begin above it, infinity when they never do."""
    above_K = advantage_K >= 0.0
    index = int(above_K.argmax())
    if not above_K[index]:
        return math.inf
    if index == 0:
        return 0.0
    before, after = float(advantage_K[index - 1]), float(advantage_K[index])
    share = before / (before - after)
    return float(steps[index - 1] * (steps[index] / steps[index - 1]) ** share)
