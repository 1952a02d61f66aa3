import pytest

from analysis.statistics.multiple import holm, widened


def test_the_smallest_of_many_must_be_smaller_than_one_alone() -> None:
    assert holm([0.04]) == (True,)
    assert holm([0.04, 0.9]) == (False, False)
    assert holm([0.9, 0.024, 0.04]) == (False, False, False)


def test_each_that_is_rejected_leaves_more_to_the_next() -> None:
    """0.01 is below 0.05 / 3, 0.02 below 0.05 / 2, 0.04 below 0.05."""
    assert holm([0.04, 0.01, 0.02]) == (True, True, True)
    assert holm([0.04, 0.01, 0.03]) == (False, True, False)
    assert holm([]) == ()


def test_a_margin_grows_with_the_number_of_statements() -> None:
    assert widened(0.01, 1) == pytest.approx(0.01)
    assert widened(0.01, 100) == pytest.approx(0.01 * 3.4808 / 1.95996, rel=1e-4)
    assert widened(0.0, 100) == 0.0
