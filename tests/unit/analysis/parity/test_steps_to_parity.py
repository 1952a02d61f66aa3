import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from analysis.parity.choice import Reading
from analysis.parity.comparability import group
from analysis.parity.evidence import UnscoredError
from analysis.parity.quality import BERTSCORE_F1, PERPLEXITY
from analysis.parity.steps_to_parity import find_parity
from crossover.errors import UserError
from tests.benchmarks.coverage import measure_coverage, sized
from tests.ladders import rescored, sweep
from tests.simulation import Truth, beyond, resolved, simulate


def test_parity_is_the_first_k_that_is_at_least_as_good() -> None:
    parity = find_parity(sweep([5.0, 4.0, 2.5, 2.0, 1.9]), PERPLEXITY)
    assert parity.steps == (16, 32, 64, 128, 256)
    assert (parity.first_steps, parity.holds_from_steps, parity.first_steps_interval) == (64, 64, (64, 64))
    assert parity.reading is Reading.reached
    assert parity.monotone
    assert parity.reaches_share == (0.0, 0.0, 1.0, 1.0, 1.0)
    assert parity.flags == ()


def test_the_metrics_direction_is_its_own() -> None:
    by_perplexity, by_f1 = (find_parity(sweep([5.0, 4.0, 2.5]), metric) for metric in (PERPLEXITY, BERTSCORE_F1))
    assert by_perplexity.first_steps == by_f1.first_steps == 64
    assert by_perplexity.quality[0].estimate > by_perplexity.baseline.estimate
    assert by_f1.quality[0].estimate < by_f1.baseline.estimate


def test_the_smallest_k_may_reach_it_already() -> None:
    parity = find_parity(sweep([2.0, 1.9]), PERPLEXITY)
    assert (parity.reading, parity.first_steps, parity.first_steps_interval) == (Reading.smallest, 16, (16, 16))


def test_not_reached_is_an_answer_without_a_speedup() -> None:
    parity = find_parity(sweep([5.0, 4.0]), PERPLEXITY)
    assert parity.reading is Reading.not_reached
    assert (parity.first_steps, parity.holds_from_steps, parity.first_steps_interval) == (None, None, (None, None))
    assert parity.speedup is None


def test_a_curve_that_is_lost_again_gives_both_readings() -> None:
    parity = find_parity(sweep([4.0, 2.5, 4.0, 2.5, 2.0]), PERPLEXITY)
    assert (parity.first_steps, parity.holds_from_steps, parity.monotone) == (32, 128, False)
    assert parity.flags == ("reached first at K=32, but lost again; holds from K=128 on",)
    lost = find_parity(sweep([2.5, 4.0]), PERPLEXITY)
    assert lost.holds_from_steps is None
    assert lost.flags[0] == "reached first at K=16, but lost again; not held at the largest K"


def test_equal_outputs_are_at_parity() -> None:
    pairing = sweep([3.0])
    assert pairing.baseline.measurement is not None
    scores = pairing.baseline.measurement.scores
    same = replace(pairing.by_steps[16], measurement=replace(pairing.baseline.measurement, scores=scores))
    parity = find_parity(replace(pairing, by_steps={16: same}), PERPLEXITY)
    assert (parity.first_steps, parity.reaches_share) == (16, (1.0,))


@pytest.mark.parametrize(("metric", "margin"), [(PERPLEXITY, 8.0), (BERTSCORE_F1, 0.02)])
def test_a_margin_is_in_the_metrics_unit(metric: object, margin: float) -> None:
    """The baseline's perplexity is about 20 and K=32 comes within 6; its F1 falls 0.0125 short."""
    assert metric in (PERPLEXITY, BERTSCORE_F1)
    chosen = PERPLEXITY if metric is PERPLEXITY else BERTSCORE_F1
    pairing = sweep([4.5, 3.25, 2.0])
    strict, lenient = find_parity(pairing, chosen), find_parity(pairing, chosen, margin=margin)
    assert (strict.first_steps, lenient.first_steps) == (64, 32)
    assert lenient.advantage[1].low < lenient.advantage[1].estimate
    assert lenient.advantage[1].estimate > 0 > strict.advantage[1].estimate


def test_a_margin_moves_perplexity_by_itself() -> None:
    """The advantage is log(baseline + margin) - log(diffusion), so it is 0 where the margin is the shortfall."""
    pairing = sweep([3.2])
    parity = find_parity(pairing, PERPLEXITY)
    shortfall = parity.quality[0].estimate - parity.baseline.estimate
    exact = find_parity(pairing, PERPLEXITY, margin=shortfall)
    assert exact.advantage[0].estimate == pytest.approx(0.0, abs=1e-12)
    assert parity.advantage[0].estimate == pytest.approx(
        math.log(parity.baseline.estimate / parity.quality[0].estimate)
    )


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_margin_below_nothing_is_refused(margin: float) -> None:
    with pytest.raises(UserError, match=f"margin={margin} is not allowed"):
        find_parity(sweep([3.0]), PERPLEXITY, margin=margin)


def test_close_curves_leave_more_than_one_k_and_widen_the_speedup() -> None:
    parity = find_parity(sweep([5.0, 3.02, 2.98, 2.0]), PERPLEXITY)
    assert parity.first_steps_interval == (32, 128)
    assert parity.speedup is not None
    assert parity.speedup.low < 0.5  # of K=128
    assert parity.speedup.high > 2.0  # of K=32


def test_the_speedup_is_the_baselines_latency_over_that_at_parity() -> None:
    parity = find_parity(sweep([5.0, 2.0]), PERPLEXITY)
    assert parity.speedup is not None
    assert parity.baseline_latency_s is not None
    assert parity.latency_s[1] is not None
    assert parity.speedup.estimate == pytest.approx(parity.baseline_latency_s.estimate / parity.latency_s[1].estimate)
    assert parity.speedup.low < 2.0 < parity.speedup.high
    assert parity.speedup.high / parity.speedup.low < 1.2


def test_the_crossing_lies_below_the_steps_to_parity_and_is_as_fast_as_its_place() -> None:
    parity = find_parity(sweep([5.0, 3.5, 2.5, 2.0]), PERPLEXITY)
    assert parity.first_steps == 64
    assert (parity.crossing.low, parity.crossing.high) == (32.0, 64.0)  # between them nothing was measured
    assert 32 < parity.crossing.steps < 64
    assert parity.crossing_speedup is not None
    # the baseline takes as long as K=64, and latency is proportional to K
    assert parity.crossing_speedup.estimate == pytest.approx(64 / parity.crossing.steps, rel=0.05)
    assert parity.crossing_speedup.low < 64 / parity.crossing.steps < parity.crossing_speedup.high
    assert parity.crossing_speedup.high / parity.crossing_speedup.low > parity.crossing.high / parity.crossing.low


def test_without_a_crossing_there_is_no_speedup_at_it() -> None:
    for rates, steps in (([2.0, 1.9], 0.0), ([5.0, 4.0], math.inf)):
        parity = find_parity(sweep(rates), PERPLEXITY)
        assert (parity.crossing.steps, parity.crossing_speedup) == (steps, None)


def test_the_end_of_the_ladder_may_not_be_the_end() -> None:
    parity = find_parity(sweep([5.0, 2.99], seed=1), PERPLEXITY)
    assert parity.first_steps_interval == (32, None)
    if parity.first_steps is not None:
        assert "may not be reached up to K=32" in parity.flags[0]


def test_one_latency_sample_gives_no_speedup() -> None:
    parity = find_parity(sweep([5.0, 2.0], samples=1), PERPLEXITY)
    assert parity.speedup is None
    assert parity.flags == ("a latency was timed once only: no speed-up",)


def test_only_prompts_that_every_run_scored_count() -> None:
    pairing = sweep([5.0, 2.0])
    partly = {**pairing.by_steps, 32: rescored(pairing.by_steps[32], {"nll_nats": None}, first=20)}
    parity = find_parity(replace(pairing, by_steps=partly), PERPLEXITY)
    assert parity.prompts == 20
    assert parity.flags == ("12 of 32 prompts lack a score in some run",)


def test_too_few_prompts_are_refused_and_named() -> None:
    pairing = sweep([5.0, 2.0], prompts=4)
    with pytest.raises(
        UnscoredError, match="Generative perplexity is known for 4 prompts of every run, parity needs 5"
    ):
        find_parity(pairing, PERPLEXITY)


def test_the_same_records_give_the_same_answer() -> None:
    pairing = sweep([3.2, 3.0, 2.9])
    assert find_parity(pairing, PERPLEXITY) == find_parity(pairing, PERPLEXITY)


def test_a_better_k_is_likelier_to_reach_parity() -> None:
    parity = find_parity(sweep([3.2, 3.1, 3.0, 2.9, 2.8]), PERPLEXITY)
    ranked = sorted(zip([one.estimate for one in parity.advantage], parity.reaches_share, strict=True))
    assert all(first[1] <= second[1] for first, second in pairwise(ranked))


def test_intervals_contain_the_truth_as_often_as_they_say() -> None:
    """A short version of `python -m tests.benchmarks.coverage`: three standard errors of 150 sweeps are 5%."""
    tally = measure_coverage(sized(resolved, 32, 10), sweeps=150, seed=0)
    for quantity in (
        "perplexity",
        "F1",
        "ppl advantage",
        "F1 advantage",
        "trimmed",
        "latency",
        "speed-up",
    ):
        assert tally.share(quantity) == pytest.approx(0.95, abs=0.05), quantity
    for discrete in ("S_parity", "crossing", "speed-up there"):
        assert tally.share(discrete) >= 0.95, discrete
    assert tally.share("one K") >= 0.9


def test_no_k_is_said_to_reach_the_baseline_where_all_fall_short_by_a_little() -> None:
    """The estimate lies on the right side in most such sweeps; the claim errs in at most 2.5%, here of 150."""
    tally = measure_coverage(sized(beyond, 16, 5), sweeps=150, seed=0)
    assert tally.share("wrongly reached") <= 0.05


def test_one_text_that_differs_decides_nothing() -> None:
    """Of 16 prompts one is far worse, and the others are alike: a third of the resamples show no spread at all."""
    pairing = sweep([3.0, 3.0], prompts=16)
    assert pairing.baseline.measurement is not None
    scores = list(pairing.baseline.measurement.scores)
    scores[3] = replace(scores[3], bertscore_f1=0.4)
    worse = {
        k: replace(record, measurement=replace(pairing.baseline.measurement, scores=tuple(scores)))
        for k, record in pairing.by_steps.items()
    }
    parity = find_parity(replace(pairing, by_steps=worse), BERTSCORE_F1)
    assert parity.reading is Reading.undecided
    assert parity.first_steps_interval == (16, None)
    assert any("1 of 16 texts of K=16 break down (prompt-3;" in flag for flag in parity.flags)


def test_prompts_of_one_source_are_drawn_together() -> None:
    """Four prompts of a source say hardly more than one: the interval is as wide as that of eight, not of 32."""
    truth = replace(resolved(np.random.default_rng(0)), clusters=8)
    (pairing,) = group(simulate(truth, np.random.default_rng(0))).pairings
    alone = {k: rescored(record, {"cluster": None}) for k, record in pairing.by_steps.items()}
    apart = replace(pairing, by_steps=alone, baseline=rescored(pairing.baseline, {"cluster": None}))
    together, independent = find_parity(pairing, PERPLEXITY), find_parity(apart, PERPLEXITY)
    assert (together.prompts, together.clusters, independent.clusters) == (32, 8, 32)
    assert together.baseline.high - together.baseline.low > 1.3 * (independent.baseline.high - independent.baseline.low)
    assert "the 32 prompts come from 8 sources, which were drawn whole" in together.flags


def test_replicates_give_the_timing_and_the_first_of_them_the_quality() -> None:
    truth = Truth(rate={16: 5.0, 32: 2.0}, baseline_rate=3.0, baseline_s=0.32, timing_spread=0.02)
    records = [
        replace(record, replicate=index)
        for index in range(4)
        for record in simulate(truth, np.random.default_rng(index))
    ]
    (pairing,) = group(records).pairings
    parity = find_parity(pairing, PERPLEXITY)
    assert (parity.processes, parity.verdict_margin) == (4, 0.0)
    of_two = find_parity(group(records[:6]).pairings[0], PERPLEXITY)
    assert (of_two.processes, of_two.verdict_margin) == (2, 0.0)
    assert parity.quality == find_parity(group(records[:3]).pairings[0], PERPLEXITY).quality
    assert parity.speedup is not None
    assert parity.speedup.low < 1.0 < parity.speedup.high
