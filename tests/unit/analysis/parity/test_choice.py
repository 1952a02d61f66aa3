"""Which K may be S_parity, from resamples that are written by hand: 100 rows, so that the level leaves out five."""

import numpy as np
import pytest

from analysis.parity.choice import choose
from analysis.statistics.bootstrap import Studentised

STEPS = (4, 8, 16)


def advantages(*estimates: float) -> Studentised:
    """Errors of 1. Each K is 10 errors off in four rows of its own: in 95 rows each alone is within 1, not all three.

    The first two together are off in eight rows, more than the level allows.
    """
    t_RK = np.ones((100, 3))
    for place in range(3):
        t_RK[4 * place : 4 * place + 4, place] = 10.0
    return Studentised(estimate_K=np.array(estimates), error_K=np.ones(3), t_RK=t_RK)


def interval(*estimates: float) -> tuple[int | None, int | None]:
    return choose(STEPS, advantages(*estimates), np.eye(3)).interval


def test_a_k_ends_the_interval_when_it_is_better_by_the_test_of_all_k_that_are_not_worse_together() -> None:
    """K=8 is better by its own test, of 1 error, and not by that of K=4 and K=8 together, of 10."""
    assert interval(-0.5, 3.0, 20.0) == (4, 16)
    assert interval(-0.5, 11.0, 20.0) == (4, 8)


def test_a_k_that_is_significantly_worse_is_none_of_those() -> None:
    assert interval(-5.0, 3.0, 20.0) == (8, 8)


@pytest.mark.parametrize(("estimate", "end"), [(-0.9, 4), (-1.1, 8)])
def test_a_k_begins_the_interval_unless_it_is_worse_by_its_own_test(estimate: float, end: int) -> None:
    assert interval(estimate, 20.0, 20.0)[0] == end
