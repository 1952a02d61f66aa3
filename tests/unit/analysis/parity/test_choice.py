"""Which K may be S_parity, from resamples that are written by hand: 100 rows, so that the level leaves out five."""

import math

import numpy as np
import pytest

from analysis.parity.choice import Choice, Reading, choose, speedup, speedup_at_crossing
from analysis.statistics.bootstrap import Studentised
from analysis.statistics.crossing import Crossing
from analysis.statistics.timing import Latency, summarise

STEPS = (4, 8, 16)


def advantages(*estimates: float) -> Studentised:
    """Errors of 1. Each K is 10 errors off in four rows of its own: in 95 rows each alone is within 1, not all three.

    The first two together are off in eight rows, more than the level allows.
    """
    t_RK = np.ones((100, 3))
    for index in range(3):
        t_RK[4 * index : 4 * index + 4, index] = 10.0
    return Studentised(estimate_K=np.array(estimates), error_K=np.ones(3), t_RK=t_RK)


def interval(*estimates: float) -> tuple[int | None, int | None]:
    return choose(STEPS, advantages(*estimates)).interval


def test_a_k_ends_the_interval_when_it_is_better_by_the_test_of_all_k_that_are_not_worse_together() -> None:
    """K=8 is better by its own test, of 1 error, and not by that of K=4 and K=8 together, of 10."""
    assert interval(-0.5, 3.0, 20.0) == (4, 16)
    assert interval(-0.5, 11.0, 20.0) == (4, 8)


def test_a_k_that_is_significantly_worse_is_none_of_those() -> None:
    assert interval(-5.0, 3.0, 20.0) == (8, 8)


@pytest.mark.parametrize(("estimate", "end"), [(-0.9, 4), (-1.1, 8)])
def test_a_k_begins_the_interval_unless_it_is_worse_by_its_own_test(estimate: float, end: int) -> None:
    assert interval(estimate, 20.0, 20.0)[0] == end


def timed(*latencies_s: float, samples: int = 5) -> list[Latency]:
    """Without noise: of the baseline, then of each K."""
    return [summarise([seconds] * samples) for seconds in latencies_s]


def chosen(first: int, low: int, high: int | None) -> Choice:
    crossing = Crossing(steps=float(first), low=float(low), high=math.inf, possible=(low, high))
    return Choice(first=first, holds_from=first, interval=(low, high), reading=Reading.reached, crossing=crossing)


def test_the_speedup_reaches_over_all_k_of_the_interval_and_to_the_largest_where_that_is_open() -> None:
    interval = speedup(STEPS, timed(2.0, 1.0, 2.0, 4.0), chosen(8, 4, 8))
    assert interval is not None
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((1.0, 1.0, 2.0))
    beyond = speedup(STEPS, timed(2.0, 1.0, 2.0, 4.0), chosen(8, 8, None))
    assert beyond is not None
    assert (beyond.low, beyond.estimate, beyond.high) == pytest.approx((0.5, 1.0, 1.0))


def test_a_k_of_the_interval_that_was_timed_once_leaves_no_speedup() -> None:
    times = timed(2.0, 1.0, 2.0, 4.0)
    times[1] = summarise([1.0])
    assert speedup(STEPS, times, chosen(8, 4, 8)) is None
    assert speedup(STEPS, times, chosen(8, 8, 8)) is not None


def test_the_speedup_at_the_crossing_is_as_wide_as_the_latencies_between_its_ends() -> None:
    """At 4 sqrt 2 steps the latency is 2 s, as the baseline's; between the ends it lies from 1 s to 4 s, at K=8."""
    crossing = Crossing(steps=4 * 2**0.5, low=4.0, high=16.0, possible=(4, 16))
    interval = speedup_at_crossing(STEPS, timed(2.0, 1.0, 4.0, 1.0), crossing)
    assert interval is not None
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((0.5, 1.0, 2.0))


def test_steps_beyond_the_ends_of_the_crossing_do_not_widen_the_speedup_there() -> None:
    crossing = Crossing(steps=4 * 2**0.5, low=4.0, high=8.0, possible=(8, 8))
    interval = speedup_at_crossing(STEPS, timed(4.0, 1.0, 4.0, 16.0), crossing)
    assert interval is not None
    assert (interval.low, interval.estimate, interval.high) == pytest.approx((1.0, 2.0, 4.0))
