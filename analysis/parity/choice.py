"""Which K reaches parity, and the speed-up there, each with its interval.

`analysis.parity.steps_to_parity` says how they are made.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.statistics.bootstrap import Floats, Studentised
from analysis.statistics.crossing import Crossing, Curve, find_crossing, latency_at
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import Latency, ratio_interval
from crossover.confidence import LEVEL


class Reading(StrEnum):
    """What the sweep says about S_parity."""

    reached = "reached"
    smallest = "already at the smallest K"
    not_reached = "not reached"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which K reaches parity: first, from where on it holds, the interval of the first; where the curves cross."""

    first: int | None
    holds_from: int | None
    interval: tuple[int | None, int | None]
    reading: Reading
    crossing: Crossing


def choose(steps: tuple[int, ...], advantage: Studentised, covariance_KK: Floats) -> Choice:
    """S_parity, its interval and the crossing, by the tests that `analysis.parity.steps_to_parity` describes."""
    estimate_K, error_K = advantage.estimate_K, advantage.error_K
    first = _first(steps, estimate_K >= 0)
    failing = [k for k, value in zip(steps, estimate_K, strict=True) if value < 0]
    critical_K = advantage.critical_K(LEVEL)
    not_worse_K = estimate_K + critical_K * error_K >= 0
    better_K = np.maximum(critical_K, advantage.joint_critical_K(LEVEL, not_worse_K))
    curve = Curve(estimate_K=estimate_K, covariance_KK=covariance_KK, worse_K=critical_K, better_K=better_K)
    crossing = find_crossing(steps, curve)
    return Choice(
        first=first,
        holds_from=_first(steps, np.array(steps) > max(failing, default=0)),
        interval=crossing.possible,
        reading=_read(steps, first),
        crossing=crossing,
    )


def _read(steps: Sequence[int], first: int | None) -> Reading:
    if first is None:
        return Reading.not_reached
    return Reading.smallest if first == steps[0] else Reading.reached


def _first(steps: Iterable[int], holds_K: Iterable[np.bool_]) -> int | None:
    return next((k for k, holds in zip(steps, holds_K, strict=True) if holds), None)


def speedup(steps: Sequence[int], times: Sequence[Latency], choice: Choice) -> Interval | None:
    """The baseline's latency over diffusion's at S_parity, as wide as all K in the interval of S_parity make it."""
    if choice.first is None:
        return None
    low, high = choice.interval
    assert low is not None, "a K that reaches parity is not significantly worse"
    by_steps = dict(zip(steps, times[1:], strict=True))
    possible = [k for k in steps if low <= k <= (steps[-1] if high is None else high)]
    ratios = {k: ratio_interval(times[0], by_steps[k]) for k in possible}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    at_parity = ratios[choice.first]
    if at_parity is None or len(known) < len(ratios):
        return None
    return Interval(at_parity.estimate, min(ratio.low for ratio in known), max(ratio.high for ratio in known))


def speedup_at_crossing(steps: Sequence[int], times: Sequence[Latency], crossing: Crossing) -> Interval | None:
    """The baseline's latency over diffusion's where both are equally good; None where the curves do not cross.

    Its distances to either end are those of the timing and those of the crossing, added as squares.
    An end of the crossing beyond the ladder is taken at the ladder's end.
    """
    if not crossing.is_inside:
        return None
    there = latency_at(steps, times[1:], crossing.steps)
    ratio = ratio_interval(times[0], there)
    if ratio is None:
        return None
    ends = (max(crossing.low, steps[0]), min(crossing.high, steps[-1]))
    places = [k for k in steps if ends[0] < k < ends[1]]
    reach = [latency_at(steps, times[1:], end).log_median - there.log_median for end in (*ends, *places)]
    down = math.hypot(math.log(ratio.estimate / ratio.low), max(0.0, *reach))
    up = math.hypot(math.log(ratio.high / ratio.estimate), min(0.0, *reach))
    return Interval(ratio.estimate, ratio.estimate * math.exp(-down), ratio.estimate * math.exp(up))
