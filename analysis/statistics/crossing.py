"""Where the curve of quality against steps crosses the baseline, between the K that were measured.

S_parity is one of a few K; the crossing behind it is a number. The advantage is taken to run straight between
neighbouring K on a logarithmic scale, for the truth as for the estimate: the next K above the crossing is S_parity.
Its interval is a test turned round, as Fieller's (J. R. Statist. Soc. B 16, 1954): it begins at the first place
where the advantage is not significantly below 0, and ends at the first where it is significantly above.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.bootstrap import Floats
from analysis.statistics.timing import Latency

ROUNDING = 1e-9
PARTS = 16
"""Places that are looked at between two neighbouring K."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Steps at which diffusion is just as good as the baseline, with the ends of the 95% interval.

    Each lies between the K that were measured, or is 0 for below the smallest, infinite for above the largest.
    `possible` are the K next above the two ends: the interval of S_parity, None beyond the largest.
    """

    steps: float
    low: float
    high: float
    possible: tuple[int | None, int | None]

    @property
    def is_inside(self) -> bool:
        """Whether the curves cross between measured K."""
        return 0.0 < self.steps < math.inf


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The advantage at each K, its covariances, and how many standard errors reject 0 from below and from above."""

    estimate_K: Floats
    covariance_KK: Floats
    worse_K: Floats
    better_K: Floats


def find_crossing(steps: Sequence[int], curve: Curve) -> Crossing:
    """The first upward crossing of 0."""
    last = len(steps) - 1
    place_G = np.linspace(0.0, last, last * PARTS + 1)
    weight_KG = np.maximum(0.0, 1.0 - np.abs(place_G - np.arange(last + 1)[:, None]))
    estimate_G = curve.estimate_K @ weight_KG
    error_G = np.sqrt(np.maximum((weight_KG * (curve.covariance_KK @ weight_KG)).sum(axis=0), 0.0))
    not_worse_G = estimate_G + (curve.worse_K @ weight_KG) * error_G
    better_G = estimate_G - (curve.better_K @ weight_KG) * error_G
    places = [_root(place_G, value_G) for value_G in (estimate_G, not_worse_G, better_G)]
    middle, low, high = (_steps(steps, place) for place in places)
    return Crossing(steps=middle, low=low, high=high, possible=(_above(steps, places[1]), _above(steps, places[2])))


def latency_at(steps: Sequence[int], times: Sequence[Latency], where: float) -> Latency:
    """The latency at `where` steps: its logarithm runs straight between neighbouring K, as that of K itself."""
    logs = [math.log2(k) for k in steps]
    place = float(np.interp(math.log2(where), logs, range(len(logs))))
    index = min(int(place), max(0, len(steps) - 2))
    share = place - index
    one, other = times[index], times[min(index + 1, len(times) - 1)]
    return Latency(
        samples=one.samples if share == 0.0 else min(one.samples, other.samples) if share < 1.0 else other.samples,
        log_median=(1 - share) * one.log_median + share * other.log_median,
        below=math.hypot((1 - share) * one.below, share * other.below),
        above=math.hypot((1 - share) * one.above, share * other.above),
    )


def _root(place_G: Floats, value_G: Floats) -> float:
    """Where a curve first reaches 0: minus infinity when it begins above it, infinity when it never does."""
    above_G = value_G >= 0.0
    index = int(above_G.argmax())
    if not above_G[index]:
        return math.inf
    if index == 0:
        return -math.inf
    before, after = float(value_G[index - 1]), float(value_G[index])
    return float(place_G[index - 1] + (place_G[index] - place_G[index - 1]) * before / (before - after))


def _steps(steps: Sequence[int], place: float) -> float:
    """Steps at a place on the ladder, or 0 or infinity beyond it."""
    if math.isinf(place):
        return max(0.0, place)
    return float(2.0 ** np.interp(place, range(len(steps)), np.log2(steps)))


def _above(steps: Sequence[int], place: float) -> int | None:
    """The K next above a place; None when there is none."""
    return None if place == math.inf else steps[math.ceil(max(0.0, place - ROUNDING))]
