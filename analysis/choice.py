"""Which K reaches parity, and the speed-up there, each with its interval; `analysis.parity` says how they are made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from analysis.bootstrap import Studentised
from analysis.intervals import Interval
from analysis.timing import Latency, ratio_interval


class Reading(StrEnum):
    """What the sweep says about S_parity."""

    reached = "reached"
    smallest = "already at the smallest K"
    not_reached = "not reached"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which K reaches parity: first, from where on it holds, and the interval of the first."""

    first: int | None
    holds_from: int | None
    interval: tuple[int | None, int | None]
    reading: Reading


def choose(steps: tuple[int, ...], advantage: Studentised, level: float) -> Choice:
    """S_parity and its interval, by the tests that the module describes."""
    estimate_K, error_K = advantage.estimate_K, advantage.error_K
    first = _first(steps, estimate_K >= 0)
    failing = [k for k, value in zip(steps, estimate_K, strict=True) if value < 0]
    holds_from = _first(steps, np.array(steps) > max(failing, default=0))
    not_worse_K = estimate_K + advantage.critical_K(level) * error_K >= 0
    better_K = estimate_K - advantage.joint_critical(level) * error_K >= 0
    return Choice(
        first=first,
        holds_from=holds_from,
        interval=(_first(steps, not_worse_K), _first(steps, better_K)),
        reading=_read(steps, first),
    )


def _read(steps: Sequence[int], first: int | None) -> Reading:
    if first is None:
        return Reading.not_reached
    return Reading.smallest if first == steps[0] else Reading.reached


def _first(steps: Iterable[int], holds_K: Iterable[np.bool_]) -> int | None:
    return next((k for k, holds in zip(steps, holds_K, strict=True) if holds), None)


def speedup(steps: Sequence[int], times: Sequence[Latency], choice: Choice, level: float) -> Interval | None:
    """The baseline's latency over diffusion's at S_parity, as wide as all K in the interval of S_parity make it."""
    if choice.first is None:
        return None
    low, high = choice.interval
    assert low is not None, "a K that reaches parity is not significantly worse"
    by_steps = dict(zip(steps, times[1:], strict=True))
    possible = [k for k in steps if low <= k <= (steps[-1] if high is None else high)]
    ratios = {k: ratio_interval(times[0], by_steps[k], level) for k in possible}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    at_parity = ratios[choice.first]
    if at_parity is None or len(known) < len(ratios):
        return None
    return Interval(at_parity.estimate, min(ratio.low for ratio in known), max(ratio.high for ratio in known), level)
