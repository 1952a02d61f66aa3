import math

import numpy as np
import pytest

from analysis.statistics.bootstrap import Studentised, resample, studentise


def drawn(arms: int = 3, prompts: int = 12) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    weights = random.integers(5, 20, (arms, prompts)).astype(float)
    return weights * random.normal(3.0, 0.5, (arms, prompts)), weights


def test_the_first_row_is_the_sample_itself() -> None:
    values, weights = drawn()
    resampled = resample(values, weights, resamples=10, seed=0)
    np.testing.assert_allclose(resampled.mean_RA[0], values.sum(axis=1) / weights.sum(axis=1))
    assert resampled.mean_RA.shape == resampled.variance_RA.shape == resampled.covariance_RA.shape == (11, 3)


def test_variances_follow_the_linearised_ratio_in_every_resample() -> None:
    values, weights = drawn()
    resampled = resample(values, weights, resamples=5, seed=4)
    counts = np.random.default_rng(4).multinomial(12, np.full(12, 1 / 12), size=5)
    for row, count in enumerate(counts, start=1):
        v, w = np.repeat(values, count, axis=1), np.repeat(weights, count, axis=1)
        mean = v.sum(axis=1) / w.sum(axis=1)
        influence = (v - mean[:, None] * w) / w.mean(axis=1, keepdims=True)
        covariance = np.cov(influence) / 12
        np.testing.assert_allclose(resampled.mean_RA[row], mean)
        np.testing.assert_allclose(resampled.variance_RA[row], covariance.diagonal())
        np.testing.assert_allclose(resampled.covariance_RA[row], covariance[0])


def test_equal_arms_are_drawn_alike() -> None:
    values, weights = drawn(arms=1)
    resampled = resample(np.repeat(values, 2, axis=0), np.repeat(weights, 2, axis=0), resamples=50, seed=0)
    np.testing.assert_array_equal(resampled.mean_RA[:, 0], resampled.mean_RA[:, 1])


def test_an_interval_lies_around_the_estimate_and_widens_with_the_level() -> None:
    values, weights = drawn(arms=1)
    resampled = resample(values, weights, resamples=400, seed=0)
    means = studentise(resampled.mean_RA, resampled.variance_RA)
    (narrow,), (wide,) = means.intervals(0.8, float), means.intervals(0.99, float)
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    assert wide.high - wide.estimate == pytest.approx(wide.estimate - wide.low)
    assert means.intervals(0.8, math.exp)[0].high == pytest.approx(math.exp(narrow.high))


def test_no_spread_gives_an_interval_without_width() -> None:
    resampled = resample(np.full((1, 6), 8.0), np.full((1, 6), 4.0), resamples=50, seed=0)
    (interval,) = studentise(resampled.mean_RA, resampled.variance_RA).intervals(0.95, float)
    assert (interval.estimate, interval.low, interval.high) == (2.0, 2.0, 2.0)


def test_a_joint_critical_value_is_at_least_each_of_its_own() -> None:
    values, weights = drawn()
    resampled = resample(values, weights, resamples=400, seed=0)
    means = studentise(resampled.mean_RA, resampled.variance_RA)
    every, second = np.ones(3, dtype=bool), np.array([False, True, False])
    joint = means.joint_critical_K(0.95, every)
    assert list(joint) == sorted(joint)
    assert joint[0] == means.critical_K(0.95)[0]
    assert joint[2] >= means.critical_K(0.95).max()
    assert list(means.joint_critical_K(0.95, second)) == [0.0, *[means.critical_K(0.95)[1]] * 2]


def test_a_critical_value_is_one_of_the_resamples_and_not_between_two() -> None:
    """Of 1 to 20, 19 values are at most 19: 95%."""
    t_RK = np.arange(1.0, 21.0)[::-1, None]
    studentised = Studentised(estimate_K=np.zeros(1), error_K=np.ones(1), t_RK=t_RK)
    assert studentised.critical_K(0.95).tolist() == [19.0]


def test_a_resample_without_spread_is_infinitely_far_unless_it_hits_the_estimate() -> None:
    studentised = studentise(np.array([[1.0], [3.0], [3.0], [1.0]]), np.array([[1.0], [4.0], [0.0], [0.0]]))
    assert studentised.t_RK[:, 0].tolist() == [1.0, math.inf, 0.0]


def test_a_sample_without_spread_has_an_interval_without_width_whatever_the_resamples() -> None:
    (interval,) = studentise(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]])).intervals(0.95, float)
    assert (interval.low, interval.estimate, interval.high) == (1.0, 1.0, 1.0)


def test_too_few_prompts_that_differ_leave_the_interval_without_an_end() -> None:
    """One prompt of 16 differs: a third of the resamples do not hold it, and say nothing of its spread."""
    values = np.zeros((1, 16))
    values[0, 3] = -0.4
    resampled = resample(values, np.ones((1, 16)), resamples=400, seed=0)
    (interval,) = studentise(resampled.mean_RA, resampled.variance_RA).intervals(0.95, float)
    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert not interval.is_bounded


def test_the_rounding_of_equal_values_is_no_spread() -> None:
    rounded = np.array([[1.0], [1.0 + 1e-15], [1.0 - 1e-15]])
    studentised = studentise(rounded, np.full_like(rounded, 1e-32), least_error_K=1e-12)
    assert studentised.error_K.tolist() == studentised.critical_K(0.95).tolist() == [0.0]
