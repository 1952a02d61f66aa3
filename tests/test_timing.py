import math

import numpy as np
import pytest

from analysis.timing import latency, median_interval, ratio_interval, summarise
from tests.factories import a_measurement

FIVE = (1.0, 1.1, 1.2, 1.3, 5.0)


def test_the_median_ignores_one_slow_sample() -> None:
    assert summarise(FIVE).median_s == pytest.approx(1.2)
    assert latency(a_measurement()).median_s == pytest.approx(3.0)


def test_an_interval_contains_its_estimate_and_scales_with_the_unit() -> None:
    seconds, milliseconds = (median_interval(summarise([unit * s for s in FIVE]), 0.95) for unit in (1, 1000))
    assert seconds.low < seconds.estimate < seconds.high
    assert milliseconds.high == pytest.approx(1000 * seconds.high)


def test_one_sample_has_no_width_and_no_ratio() -> None:
    one = summarise([2.0])
    interval = median_interval(one, 0.95)
    assert interval.low == interval.estimate == interval.high == pytest.approx(2.0)
    assert ratio_interval(one, summarise(FIVE), 0.95) is None


def test_equal_samples_have_no_width() -> None:
    still = summarise([2.0] * 5)
    ratio = ratio_interval(still, summarise([1.0] * 5), 0.95)
    assert ratio is not None
    assert ratio.low == ratio.estimate == ratio.high == pytest.approx(2.0)


def test_a_ratio_turned_round_is_the_inverse() -> None:
    a, b = summarise(FIVE), summarise([0.3, 0.31, 0.35, 0.4, 0.41, 0.5])
    there, back = ratio_interval(a, b, 0.95), ratio_interval(b, a, 0.95)
    assert there is not None
    assert back is not None
    assert there.estimate == pytest.approx(1 / back.estimate)
    assert there.low == pytest.approx(1 / back.high, rel=0.05)


def test_a_caller_may_ask_for_more_standard_errors() -> None:
    a, b = summarise(FIVE), summarise(FIVE)
    wide = ratio_interval(a, b, 0.95, least_critical=10.0)
    assert wide is not None
    assert math.log(wide.high) == pytest.approx(10.0 * math.hypot(a.error, b.error))


@pytest.mark.parametrize("samples", [2, 3, 5, 10, 32])
def test_intervals_of_lognormal_noise_contain_the_median(samples: int) -> None:
    drawn = np.exp(0.05 * np.random.default_rng(samples).standard_normal((1500, samples)))
    intervals = [median_interval(summarise(list(row)), 0.95) for row in drawn]
    assert np.mean([one.low <= 1.0 <= one.high for one in intervals]) == pytest.approx(0.95, abs=0.02)
