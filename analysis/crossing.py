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

from analysis.bootstrap import Floats
from analysis.timing import Latency

PARTS = 16
"""Places that are looked at between two neighbouring K."""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Steps at which diffusion is just as good as the baseline, with the ends of its 95% interval.

    None stands for beyond the measured K: of `low` for below the smallest, of `high` for above the largest, and of
    `steps` for either, as the reading of the parity tells.
    """

    steps: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The advantage at each K, its covariances, and how many standard errors reject 0."""

    estimate_K: Floats
    covariance_KK: Floats
    critical_K: Floats


def find_crossing(steps: Sequence[int], curve: Curve) -> Crossing:
    """The first upward crossing of 0."""
    place_G = np.linspace(0.0, len(steps) - 1.0, (len(steps) - 1) * PARTS + 1)
    low_G = np.minimum(place_G.astype(int), max(0, len(steps) - 2))
    weight_KG = np.zeros((len(steps), len(place_G)))
    weight_KG[low_G, np.arange(len(place_G))] = 1.0 - (place_G - low_G)
    weight_KG[np.minimum(low_G + 1, len(steps) - 1), np.arange(len(place_G))] += place_G - low_G
    estimate_G = curve.estimate_K @ weight_KG
    error_G = np.sqrt(np.maximum((weight_KG * (curve.covariance_KK @ weight_KG)).sum(axis=0), 0.0))
    log_G = np.log2(np.asarray(steps, dtype=np.float64)) @ weight_KG
    half_G = (curve.critical_K @ weight_KG) * error_G
    return Crossing(
        steps=_inside(log_G, _root(log_G, estimate_G)),
        low=_inside(log_G, _root(log_G, estimate_G + half_G)),
        high=_inside(log_G, _root(log_G, estimate_G - half_G), first=True),
    )


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


def _root(log_G: Floats, value_G: Floats) -> float:
    """Where a curve first reaches 0: minus infinity when it begins above, infinity when it never does."""
    above_G = value_G >= 0.0
    if not above_G.any():
        return math.inf
    index = int(above_G.argmax())
    if index == 0:
        return -math.inf
    before, after = float(value_G[index - 1]), float(value_G[index])
    return float(log_G[index - 1] + (log_G[index] - log_G[index - 1]) * before / (before - after))


def _inside(log_G: Floats, root: float, *, first: bool = False) -> float | None:
    """Steps of a place; None beyond the ladder, or the smallest K when `first` and it lies below."""
    if root == -math.inf and first:
        return float(2.0 ** log_G[0])
    return None if math.isinf(root) else float(2.0**root)
