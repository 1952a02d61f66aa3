import math
import random

import pytest
from scipy.stats import binom, quantile_test

from benchmark.measurement.stopping import Rule, first_is_outlier, interval_share, median_interval
from crossover.records.record import StoppedBy
from crossover.records.settings import Stopping

HALF_A_MINUTE = Stopping(interval=0.03, budget_s=30.0)


@pytest.mark.parametrize(("samples", "rank"), [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (64, 24), (100, 40)])
def test_the_ranks_are_those_of_the_tables(samples: int, rank: int) -> None:
    values = [float(value) for value in range(1, samples + 1)]
    random.Random(0).shuffle(values)
    assert median_interval(values) == (rank, samples + 1 - rank)
    assert 1 - 2 * binom.cdf(rank - 1, samples, 0.5) >= 0.95
    assert 1 - 2 * binom.cdf(rank, samples, 0.5) < 0.95


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_so_few_samples_have_no_interval_of_95_percent(samples: int) -> None:
    assert median_interval([1.0] * samples) is None
    assert interval_share([1.0] * samples) is None


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    source = random.Random(1)
    held = 0
    for _ in range(2000):
        interval = median_interval([source.lognormvariate(0, 0.1) for _ in range(12)])
        assert interval is not None
        held += interval[0] <= 1.0 <= interval[1]
    assert 0.945 < held / 2000 < 0.985  # 96.1% by the binomial


def test_the_width_is_the_whole_one_relative_to_the_median() -> None:
    assert interval_share([0.99, 1.0, 1.0, 1.0, 1.0, 1.02]) == pytest.approx(0.03)


def test_a_fixed_number_of_repeats_looks_at_nothing_else() -> None:
    rule = Rule(least=3, stopping=None)
    assert rule.verdict([1.0, 9.0], 1e9) is None
    assert rule.verdict([1.0, 9.0, 5.0], 0.0) is StoppedBy.repeats


def test_quiet_samples_stop_as_soon_as_there_is_an_interval() -> None:
    rule = Rule(least=5, stopping=HALF_A_MINUTE)
    assert rule.verdict([1.0] * 5, 5.0) is None
    assert rule.verdict([1.0] * 6, 6.0) is StoppedBy.precision


def test_noisy_samples_go_on_until_they_are_precise_or_the_time_is_spent() -> None:
    rule = Rule(least=5, stopping=HALF_A_MINUTE)
    noisy = [1.0, 1.1] * 5
    assert rule.verdict(noisy, 29.9) is None
    assert rule.verdict(noisy, 30.0) is StoppedBy.budget
    assert rule.verdict(noisy + [1.05] * 100, 29.9) is StoppedBy.precision


def test_the_budget_never_cuts_below_the_least_number() -> None:
    assert Rule(least=5, stopping=HALF_A_MINUTE).verdict([1.0] * 4, 1e9) is None


@pytest.mark.parametrize(
    ("latencies", "expected"),
    [
        ([1.5, 1.0, 1.01, 0.99, 1.0], True),
        ([1.02, 1.0, 1.0, 1.0, 1.0], False),  # an outlier by its score, too small to matter
        ([1.04, 1.0, 1.0, 1.0, 1.0], True),
        ([1.5, 1.0, 1.6, 0.7, 1.2], False),
        ([0.5, 1.0, 1.01, 0.99, 1.0], False),
        ([1.5, 1.0, 1.0, 1.0], None),
    ],
)
def test_a_first_sample_that_is_far_slower_says_that_warm_up_was_too_short(
    latencies: list[float], *, expected: bool | None
) -> None:
    assert first_is_outlier(latencies) is expected


@pytest.mark.parametrize(("first", "expected"), [(1.077, False), (1.08, True)])
def test_an_outlier_has_a_modified_score_above_three_and_a_half(first: float, *, expected: bool) -> None:
    """The others deviate by a median of 0.015, so that the score is 0.6745 (first - 1) / 0.015: 3.46 or 3.60."""
    assert first_is_outlier([first, 0.98, 0.99, 1.01, 1.02]) is expected


@pytest.mark.parametrize("samples", [2, 5, 6, 7, 12, 30, 55])
def test_the_interval_is_scipys(samples: int) -> None:
    values = [(7 * index) % 59 / 59 for index in range(samples)]
    expected = quantile_test(values, p=0.5).confidence_interval(0.95)
    interval = median_interval(values)
    assert interval == (None if math.isnan(expected.low + expected.high) else (expected.low, expected.high))
