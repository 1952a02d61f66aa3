import numpy as np
import pytest
from scipy import stats

from analysis.statistics.robust import far_above, trimmed_mean


def test_the_trimmed_mean_leaves_out_a_fifth_at_either_end() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1000.0])
    mean = trimmed_mean(values)
    assert mean.estimate == pytest.approx(stats.trim_mean(values, 0.2)) == pytest.approx(5.5)
    assert mean.high < 9.0


def test_its_interval_is_that_of_students_t_with_the_winsorised_spread() -> None:
    values = np.array([3.0, 1.0, 2.0, 5.0, 4.0])
    mean = trimmed_mean(values)
    spread = np.array([2.0, 2.0, 3.0, 4.0, 4.0]).std(ddof=1)
    assert mean.high - mean.estimate == pytest.approx(stats.t.ppf(0.975, 2) * spread / (0.6 * 5**0.5))


def test_a_value_is_far_off_by_the_spread_of_the_others_and_by_a_quarter_of_their_median() -> None:
    values = np.array([3.0, 3.1, 2.9, 3.05, 2.95, 9.0, 0.1])
    assert far_above(values).tolist() == [False] * 5 + [True, False]
    assert not far_above(np.array([3.0, 3.0, 3.0, 3.0, 3.7])).any()
    assert far_above(np.array([3.0, 3.0, 3.0, 3.0, 3.8])).any()
    assert not far_above(np.zeros(5)).any()
