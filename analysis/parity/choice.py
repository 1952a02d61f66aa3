"""Which K reaches parity, and the speed-up there, each with its interval.

`analysis.parity.steps_to_parity` says how they are made.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.statistics.bootstrap import Studentised
from analysis.statistics.crossing import Crossing, find_crossing, latency_at
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import Latency, ratio_interval
from crossover.confidence import LEVEL

Times = Sequence[Latency | None]
"""Of the baseline and of each K, None where there is no latency."""


class Reading(StrEnum):
    """What the sweep shows of S_parity. Each claims what the interval of S_parity excludes, never an estimate."""

    reached = "reached"
    smallest = "already at the smallest K"
    not_reached = "not reached"
    undecided = "not decided"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The first K by its estimate, from where on it holds, the interval of the first, and the crossing."""

    first: int | None
    holds_from: int | None
    interval: tuple[int | None, int | None]
    reading: Reading
    crossing: Crossing


def choose(steps: tuple[int, ...], advantage: Studentised) -> Choice:
    """S_parity, its interval and the crossing, by the tests that `analysis.parity.steps_to_parity` describes."""
    estimate_K = advantage.estimate_K
    first = _first(steps, estimate_K >= 0)
    failing = [k for k, value in zip(steps, estimate_K, strict=True) if value < 0]
    critical_K = advantage.critical_K(LEVEL)
    not_worse_K = estimate_K + advantage.half_K(critical_K) >= 0
    joint_K = np.maximum(critical_K, advantage.joint_critical_K(LEVEL, not_worse_K))
    better_K = estimate_K - advantage.half_K(joint_K) >= 0
    crossing = find_crossing(steps, estimate_K, not_worse_K, better_K)
    return Choice(
        first=first,
        holds_from=_first(steps, np.array(steps) > max(failing, default=0)),
        interval=crossing.possible,
        reading=_read(steps, *crossing.possible),
        crossing=crossing,
    )


def _read(steps: Sequence[int], low: int | None, high: int | None) -> Reading:
    """Parity is reached where a K is shown to be as good, not reached where every K is shown to be worse."""
    if low is None:
        return Reading.not_reached
    if high is None:
        return Reading.undecided
    return Reading.smallest if high == steps[0] else Reading.reached


def _first(steps: Iterable[int], holds_K: Iterable[np.bool_]) -> int | None:
    return next((k for k, holds in zip(steps, holds_K, strict=True) if holds), None)


def speedup(steps: Sequence[int], times: Times, choice: Choice) -> Interval | None:
    """The baseline's latency over diffusion's at S_parity, as wide as all K in the interval of S_parity make it."""
    if choice.first is None:
        return None
    low, high = choice.interval
    assert low is not None, "a K that reaches parity is not significantly worse"
    by_steps = dict(zip(steps, times[1:], strict=True))
    possible = [k for k in steps if low <= k <= (steps[-1] if high is None else high)]
    ratios = {k: _ratio(times[0], by_steps[k]) for k in possible}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    at_parity = ratios[choice.first]
    if at_parity is None or len(known) < len(ratios):
        return None
    return Interval(at_parity.estimate, min(ratio.low for ratio in known), max(ratio.high for ratio in known))


def speedup_at_crossing(steps: Sequence[int], times: Times, crossing: Crossing) -> Interval | None:
    """The baseline's latency over diffusion's where both are equally good; None where the curves do not cross.

    Its interval covers those of every step count within the interval of the crossing. An end of the crossing beyond
    the ladder is taken at the ladder's end.
    """
    known = [each for each in times[1:] if each is not None]
    if not crossing.is_inside or times[0] is None or len(known) < len(steps):
        return None
    ratio = ratio_interval(times[0], latency_at(steps, known, crossing.steps))
    ends = (max(crossing.low, steps[0]), min(crossing.high, steps[-1]))
    counts = [*ends, *(k for k in steps if ends[0] < k < ends[1])]
    ratios = [ratio_interval(times[0], latency_at(steps, known, k)) for k in counts]
    spans = [each for each in ratios if each is not None]
    if ratio is None or len(spans) < len(ratios):
        return None
    return Interval(
        ratio.estimate,
        min(ratio.low, *(each.low for each in spans)),
        max(ratio.high, *(each.high for each in spans)),
    )


def _ratio(baseline: Latency | None, other: Latency | None) -> Interval | None:
    return None if baseline is None or other is None else ratio_interval(baseline, other)
