import math

import numpy as np
import pytest

from analysis.statistics import timing
from analysis.statistics.timing import latency, median_interval, ratio_interval, summarise
from tests.factories import a_measurement
from tests.simulation import Noise, delayed, heavy, normal, two_modes

FIVE = (1.0, 1.1, 1.2, 1.3, 5.0)


def test_the_median_ignores_one_slow_sample() -> None:
    assert summarise(FIVE).log_median == pytest.approx(math.log(1.2))
    assert latency(a_measurement()).log_median == pytest.approx(math.log(3.0))


def test_an_interval_contains_its_estimate_and_scales_with_the_unit() -> None:
    seconds, milliseconds = (median_interval(summarise([unit * s for s in FIVE])) for unit in (1, 1000))
    assert seconds.low < seconds.estimate < seconds.high
    assert milliseconds.high == pytest.approx(1000 * seconds.high)


def test_one_sample_has_no_width_and_no_ratio() -> None:
    one = summarise([2.0])
    interval = median_interval(one)
    assert interval.low == interval.estimate == interval.high == pytest.approx(2.0)
    assert ratio_interval(one, summarise(FIVE)) is None


def test_equal_samples_have_no_width() -> None:
    still = summarise([2.0] * 5)
    ratio = ratio_interval(still, summarise([1.0] * 5))
    assert ratio is not None
    assert ratio.low == ratio.estimate == ratio.high == pytest.approx(2.0)


def test_a_ratio_turned_round_is_the_inverse() -> None:
    a, b = summarise(FIVE), summarise([0.3, 0.31, 0.35, 0.4, 0.41, 0.5])
    there, back = ratio_interval(a, b), ratio_interval(b, a)
    assert there is not None
    assert back is not None
    assert there.estimate == pytest.approx(1 / back.estimate)
    assert there.low == pytest.approx(1 / back.high, rel=0.05)


def test_a_caller_may_forbid_shortening() -> None:
    a, b = summarise(FIVE), summarise(FIVE)
    short, wide = ratio_interval(a, b), ratio_interval(a, b, least_factor=1.0)
    assert short is not None
    assert wide is not None
    assert math.log(wide.high) == pytest.approx(math.hypot(a.above, b.below))
    assert short.high < wide.high


def test_an_interval_ends_at_order_statistics() -> None:
    """Of six samples the extremes lie around the median in 96.9%, and the next in only 78%."""
    found = median_interval(summarise([1.0, 2.0, 3.0, 4.0, 5.0, 60.0]))
    assert (found.low, found.high) == pytest.approx((1.0, 60.0))


@pytest.mark.parametrize(("samples", "weight"), [(7, 0.7333), (10, 0.6577), (24, 0.8268)])
def test_neighbouring_order_statistics_are_weighed_as_published(samples: int, weight: float) -> None:
    """Hettmansperger and Sheather: (n - d) I / (d + (n - 2 d) I), I how far the level lies between the coverages."""
    rank, found = timing._ranks(samples)
    outer, inner = (
        sum(math.comb(samples, below) for below in range(each, samples - each + 1)) / 2**samples
        for each in (rank, rank + 1)
    )
    assert outer >= 0.95 > inner
    share = (outer - 0.95) / (outer - inner)
    assert found == pytest.approx((samples - rank) * share / (rank + (samples - 2 * rank) * share))
    assert found == pytest.approx(weight, abs=1e-4)


@pytest.mark.parametrize("noise", [normal, two_modes, delayed, heavy])
@pytest.mark.parametrize("samples", [5, 6, 10, 32])
def test_intervals_contain_the_median_whatever_the_noise(samples: int, noise: Noise) -> None:
    random = np.random.default_rng(samples)
    drawn = [np.exp(0.05 * noise(random, samples)) for _ in range(1500)]
    intervals = [median_interval(summarise(list(row))) for row in drawn]
    assert np.mean([one.low <= 1.0 <= one.high for one in intervals]) == pytest.approx(0.955, abs=0.025)


@pytest.mark.parametrize("samples", [2, 3, 4])
def test_fewer_samples_than_make_an_interval_take_lognormal_noise_for_granted(samples: int) -> None:
    drawn = np.exp(0.05 * np.random.default_rng(samples).standard_normal((1500, samples)))
    intervals = [median_interval(summarise(list(row))) for row in drawn]
    assert np.mean([one.low <= 1.0 <= one.high for one in intervals]) == pytest.approx(0.95, abs=0.02)


def test_the_ratio_to_a_noiseless_arm_is_as_uncertain_as_the_other_arm_alone() -> None:
    """The factor follows how the noise is divided: with as much in both arms the interval would be shortened."""
    noisy, quiet = summarise([0.9, 0.97, 1.0, 1.05, 1.12]), summarise([2.0] * 5)
    alone, ratio = median_interval(noisy), ratio_interval(noisy, quiet)
    assert ratio is not None
    assert (2 * ratio.low, 2 * ratio.estimate, 2 * ratio.high) == pytest.approx((alone.low, alone.estimate, alone.high))
