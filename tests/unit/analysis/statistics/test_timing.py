import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.signal import lfilter

from analysis.statistics.dependence import dependence
from analysis.statistics.medians import ranks_of
from analysis.statistics.timing import (
    STOPPED_STRETCH,
    latency,
    median_interval,
    over_processes,
    ratio_interval,
    ratio_of,
    summarise,
)
from crossover.records.forwards import Forwards
from crossover.records.record import Measurement, StoppedBy
from tests.benchmarks.timing_coverage import Regime, measure_timing
from tests.factories import a_measurement, a_sample
from tests.simulation import Machine, Noise, delayed, heavy, normal, two_modes

FIVE = (1.0, 1.1, 1.2, 1.3, 5.0)


def test_the_median_ignores_one_slow_sample() -> None:
    assert summarise(FIVE).log_median == pytest.approx(math.log(1.2))
    summary = latency([a_measurement()])
    assert summary is not None
    assert summary.log_median == pytest.approx(math.log(3.0))


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
    interval = median_interval(summarise([1.0, 2.0, 3.0, 4.0, 5.0, 60.0]))
    assert (interval.low, interval.high) == pytest.approx((1.0, 60.0))


@pytest.mark.parametrize(("samples", "weight"), [(7, 0.7333), (10, 0.6577), (24, 0.8268)])
def test_neighbouring_order_statistics_are_weighed_as_published(samples: int, weight: float) -> None:
    """Hettmansperger and Sheather: (n - d) I / (d + (n - 2 d) I), I how far the level lies between the coverages."""
    rank, weight_of_neighbour = ranks_of(samples)
    outer, inner = (
        sum(math.comb(samples, below) for below in range(each, samples - each + 1)) / 2**samples
        for each in (rank, rank + 1)
    )
    assert outer >= 0.95 > inner
    share = (outer - 0.95) / (outer - inner)
    assert weight_of_neighbour == pytest.approx((samples - rank) * share / (rank + (samples - 2 * rank) * share))
    assert weight_of_neighbour == pytest.approx(weight, abs=1e-4)


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


def process(*latencies_s: float, **changes: Any) -> Measurement:
    return a_measurement(samples=tuple(a_sample(latency_s=each) for each in latencies_s), **changes)


def test_several_processes_have_the_interval_of_students_t_over_the_logarithms_of_their_medians() -> None:
    summary = latency([process(*(median * each for each in (0.5, 1.0, 9.0))) for median in (1.0, 1.1, 1.3)])
    assert summary is not None
    logs = np.log([1.0, 1.1, 1.3])
    half = 4.302653 * logs.std(ddof=1) / math.sqrt(3)  # t of 2 degrees of freedom
    interval = median_interval(summary)
    assert summary.processes == 3
    assert interval.estimate == pytest.approx(math.exp(logs.mean()))
    assert interval.high == pytest.approx(math.exp(logs.mean() + half), rel=1e-5)


def test_two_sets_of_processes_meet_by_welchs_t() -> None:
    one, other = [1.0, 1.02, 0.99, 1.01], [2.0, 2.2, 1.9]
    above, below = (latency([process(each) for each in side]) for side in (one, other))
    assert above is not None
    assert below is not None
    ratio = ratio_of(above, below)
    expected = stats.ttest_ind(np.log(one), np.log(other), equal_var=False)
    assert ratio is not None
    assert ratio.p_value(0.0) == pytest.approx(expected.pvalue)
    ends = expected.confidence_interval(0.95)
    assert (ratio.interval.low, ratio.interval.high) == pytest.approx((math.exp(ends.low), math.exp(ends.high)))


@pytest.mark.parametrize(("many", "spread"), [(10, 1.0), (10, 3.0), (5, 3.0)])
def test_two_processes_beside_many_hold_as_often_as_they_say(many: int, spread: float) -> None:
    """2 that lie close to each other by chance must not pass for 10 that do."""
    random = np.random.default_rng(0)
    sides = ((2, 0.01 * spread), (many, 0.01))
    holds = 0
    for _ in range(1000):
        above, below = (
            over_processes([summarise([math.exp(log)]) for log in size * random.standard_normal(processes)])
            for processes, size in sides
        )
        interval = ratio_interval(above, below)
        assert interval is not None
        holds += interval.low <= 1.0 <= interval.high
    assert holds >= 920, "three points less than the level"


def test_a_margin_is_taken_off_a_ratio_before_it_is_tested() -> None:
    ratio = ratio_of(summarise([1.03, 1.031, 1.029] * 4), summarise([1.0, 1.001, 0.999] * 4))
    assert ratio is not None
    assert ratio.p_value(0.0) < 0.001
    assert ratio.p_value(0.05) == 1.0


def test_a_run_that_stopped_when_its_interval_was_narrow_has_a_wider_one() -> None:
    times = (1.0, 1.01, 0.99, 1.02, 0.98, 1.0, 1.03)
    fixed, stopped = latency([process(*times)]), latency([process(*times, stopped_by=StoppedBy.precision)])
    assert fixed is not None
    assert stopped is not None
    assert stopped.half == pytest.approx(STOPPED_STRETCH * fixed.half)


@pytest.mark.parametrize("wrong", [0.0, -1.0, 1e300])
def test_a_clock_that_did_not_run_gives_no_latency(wrong: float) -> None:
    assert latency([process(1.0, wrong)]) is None
    kept = latency([process(1.0, wrong), process(2.0, 2.0)])
    assert kept is not None
    assert kept.processes == 1


def test_few_samples_of_one_arm_beside_many_of_the_other_hold_as_often_as_they_say() -> None:
    """Two samples say so little of their noise that their share of the interval is theirs alone."""
    random = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        many, few = summarise([*np.exp(random.normal(0, 0.02, 64))]), summarise([*np.exp(random.normal(0, 0.02, 2))])
        ratio = ratio_interval(many, few)
        assert ratio is not None
        held += ratio.low <= 1 <= ratio.high
    assert held / 400 >= 0.92


def test_samples_that_resemble_their_neighbours_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    held = {"shuffled": 0, "in order": 0}
    for _ in range(300):
        values = 0.02 * lfilter([math.sqrt(1 - 0.8**2)], [1, -0.8], random.standard_normal(164))[100:]
        for name, order in (("in order", values), ("shuffled", random.permutation(values))):
            interval = median_interval(summarise([*np.exp(order)]))
            held[name] += interval.low <= 1 <= interval.high
    assert held["in order"] / 300 >= 0.9
    assert held["shuffled"] / 300 <= 0.75


def test_equal_samples_and_few_samples_show_no_dependence() -> None:
    assert dependence(np.zeros(32)).stretch == 1.0
    assert dependence(np.arange(7.0)).stretch == 1.0
    assert dependence(np.arange(8.0)).stretch > 3.0
    assert dependence(np.arange(32.0)).stretch > 3.0


def test_a_median_alone_is_stretched_further_than_in_a_ratio() -> None:
    depends = dependence(np.array([1.0, 1.1, 1.2, 1.1, 1.0, 0.9, 0.8, 0.9, 1.0, 1.1, 1.2, 1.1]))
    assert depends.alone > 1.05
    process_s = summarise([1.0, 1.1, 1.2, 1.1, 1.0, 0.9, 0.8, 0.9, 1.0, 1.1, 1.2, 1.1])
    assert process_s.reaches[1] == pytest.approx(process_s.alone * process_s.above)
    assert dependence(np.zeros(32)).alone == 1.0


@pytest.mark.parametrize(("correlation", "samples"), [(0.0, 16), (0.5, 16), (0.8, 16), (0.8, 32)])
def test_one_process_holds_as_often_as_it_says_also_where_samples_follow_each_other(
    correlation: float, samples: int
) -> None:
    """A short version of `tests.benchmarks.timing_coverage`: three standard errors of 300 are 4%."""
    regime = Regime(machine=Machine(correlation=correlation), samples=(samples, samples))
    alone, ratio = measure_timing(regime, sweeps=300, seed=1)
    assert alone == pytest.approx(0.95, abs=0.045)
    assert ratio == pytest.approx(0.95, abs=0.045)


def test_where_the_text_decides_on_the_work_each_batch_of_prompts_counts_once() -> None:
    def sample(prompt: int, latency_s: float, passes: int) -> Any:
        forwards = Forwards(computed=(4,) * passes, written=(1,) * passes, of_rows=(passes,))
        return a_sample(prompts=(prompt, prompt + 1), latency_s=latency_s, forwards=forwards)

    batches = [(0, 1.0, 3), (2, 2.0, 6), (4, 3.0, 9)]
    once = latency([a_measurement(samples=tuple(sample(*batch) for batch in batches))])
    often = latency([a_measurement(samples=tuple(sample(*batch) for batch in batches * 20))])
    assert once is not None
    assert often is not None
    assert often.samples == 3
    assert median_interval(often) == pytest.approx(median_interval(once))
    equal_work = latency([a_measurement(samples=tuple(sample(b, s, 5) for b, s, _ in batches * 20))])
    assert equal_work is not None
    assert equal_work.samples == 60
