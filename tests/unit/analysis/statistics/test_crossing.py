import math

import numpy as np
import pytest

from analysis.statistics.crossing import Crossing, find_crossing, latency_at
from analysis.statistics.timing import Latency, summarise

STEPS = (4, 8, 16)


def crossing(*advantages: float, error: float = 0.1, steps: tuple[int, ...] = STEPS) -> Crossing:
    """With ends where two standard errors exclude 0."""
    values = np.array(advantages)
    return find_crossing(steps, values, values + 2 * error >= 0, values - 2 * error >= 0)


def test_the_estimate_runs_straight_between_logarithms_of_k() -> None:
    assert crossing(-3.0, -1.0, 1.0).steps == pytest.approx(8 * 2**0.5)


def test_the_ends_lie_at_measured_k_since_nothing_is_known_between_them() -> None:
    first_crossing = crossing(-3.0, -1.0, 1.0)
    assert (first_crossing.low, first_crossing.high, first_crossing.possible) == (8.0, 16.0, (16, 16))
    wide = crossing(-3.0, -0.1, 0.1, 1.0, steps=(4, 8, 16, 32))
    assert (wide.low, wide.high, wide.possible) == (4.0, 32.0, (8, 32))


def test_an_end_may_lie_beyond_the_ladder() -> None:
    short = crossing(-1.0, -0.5, 0.1)
    assert short.steps == pytest.approx(8 * 2 ** (5 / 6))
    assert (short.low, short.high, short.possible) == (8.0, math.inf, (16, None))
    assert crossing(1.0, 2.0, 3.0) == Crossing(steps=0.0, low=0.0, high=0.0, possible=(4, 4))
    assert crossing(-3.0, -2.0, -1.0) == Crossing(steps=math.inf, low=math.inf, high=math.inf, possible=(None, None))
    assert crossing(0.1, 2.0, 3.0) == Crossing(steps=0.0, low=0.0, high=8.0, possible=(4, 8))


def test_the_first_of_several_crossings_counts() -> None:
    first_crossing = crossing(-1.0, 1.0, -1.0, 1.0, steps=(4, 8, 16, 32))
    assert first_crossing.steps == pytest.approx(4 * 2**0.5)


def test_one_k_has_no_between() -> None:
    assert crossing(1.0, steps=(4,)) == Crossing(steps=0.0, low=0.0, high=0.0, possible=(4, 4))
    assert crossing(0.1, steps=(4,)) == Crossing(steps=0.0, low=0.0, high=math.inf, possible=(4, None))


def times(*medians: float) -> list[Latency]:
    return [summarise([0.9 * median, median, 1.1 * median]) for median in medians]


def test_a_latency_between_two_k_lies_between_theirs() -> None:
    ladder = times(1.0, 2.0, 8.0)
    assert latency_at(STEPS, ladder, 8) == ladder[1]
    assert latency_at(STEPS, ladder, 16).log_median == pytest.approx(math.log(8))
    middle = latency_at(STEPS, ladder, 8 * 2**0.5)
    assert middle.log_median == pytest.approx(math.log(4.0))
    assert middle.below == pytest.approx(ladder[1].below / 2**0.5)
    assert latency_at((4,), ladder[:1], 4) == ladder[0]
