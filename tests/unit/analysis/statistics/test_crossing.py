import math

import numpy as np
import pytest

from analysis.statistics.crossing import Crossing, Curve, find_crossing, latency_at
from analysis.statistics.timing import Latency, summarise

STEPS = (4, 8, 16)


def crossing(*advantages: float, error: float = 0.1, steps: tuple[int, ...] = STEPS) -> Crossing:
    size = len(advantages)
    return find_crossing(
        steps,
        Curve(
            estimate_K=np.array(advantages),
            covariance_KK=np.eye(size) * error**2,
            worse_K=np.full(size, 2.0),
            better_K=np.full(size, 2.0),
        ),
    )


def test_the_curve_runs_straight_between_logarithms_of_k() -> None:
    found = crossing(-3.0, -1.0, 1.0)
    assert found.steps == pytest.approx(8 * 2**0.5)


def test_the_ends_are_where_zero_is_no_longer_and_not_yet_rejected() -> None:
    """Between 8 and 16 the estimate is 2 w - 1 and its variance error² ((1 - w)² + w²)."""
    found = crossing(-3.0, -1.0, 1.0)
    for end, sign in ((found.low, 1.0), (found.high, -1.0)):
        w = math.log2(end / 8)
        assert 2 * w - 1 + sign * 2.0 * 0.1 * math.hypot(1 - w, w) == pytest.approx(0.0, abs=1e-3)


def test_an_end_may_lie_beyond_the_ladder() -> None:
    short = crossing(-1.0, -0.5, 0.1)
    assert short.steps == pytest.approx(8 * 2 ** (5 / 6))
    assert (short.high, short.possible) == (math.inf, (16, None))
    assert crossing(1.0, 2.0, 3.0) == Crossing(steps=0.0, low=0.0, high=0.0, possible=(4, 4))
    assert crossing(-3.0, -2.0, -1.0) == Crossing(steps=math.inf, low=math.inf, high=math.inf, possible=(None, None))
    near = crossing(0.1, 2.0, 3.0)
    assert (near.steps, near.low, near.possible) == (0.0, 0.0, (4, 8))
    assert 4 < near.high < 8


def test_a_crossing_at_a_measured_k_is_that_k() -> None:
    found = crossing(-2.0, 0.0, 2.0, error=0.0)
    assert found.steps == pytest.approx(8.0)
    assert found.possible == (8, 8)


def test_the_first_of_several_crossings_counts() -> None:
    found = crossing(-1.0, 1.0, -1.0, 1.0, steps=(4, 8, 16, 32))
    assert found.steps == pytest.approx(4 * 2**0.5)


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
