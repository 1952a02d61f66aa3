"""What a reader must know before quoting a parity."""

import math
from dataclasses import replace

import pytest

from analysis.parity.evidence import UnscoredError
from analysis.parity.quality import BERTSCORE_F1, PERPLEXITY
from analysis.parity.steps_to_parity import find_parity
from crossover.records.machine import Verdict, Watched
from tests.ladders import rescored, sweep


def test_entropies_that_hardly_differ_are_not_flagged() -> None:
    pairing = sweep([5.0, 2.0])
    alike = {k: rescored(record, {"entropy_nats": 3.26}) for k, record in pairing.by_steps.items()}
    assert find_parity(replace(pairing, by_steps=alike), PERPLEXITY).flags == ()


@pytest.mark.parametrize(("entropy", "side"), [(3.0, "below"), (4.0, "above")])
def test_entropies_that_differ_are_flagged_for_perplexity_alone(entropy: float, side: str) -> None:
    pairing = sweep([5.0, 2.0])
    repeating = replace(
        pairing, by_steps={k: rescored(r, {"entropy_nats": entropy}) for k, r in pairing.by_steps.items()}
    )
    assert find_parity(repeating, PERPLEXITY).flags == (
        f"entropy at K=32 is 0.50 nats {side} the baseline's, more than 0.25: the judge misleads",
    )
    assert find_parity(repeating, BERTSCORE_F1).flags == ()


def test_where_parity_is_not_reached_the_entropy_of_the_largest_k_is_looked_at() -> None:
    pairing = sweep([5.0, 4.0])
    smallest = {**pairing.by_steps, 16: rescored(pairing.by_steps[16], {"entropy_nats": 3.0})}
    assert find_parity(replace(pairing, by_steps=smallest), PERPLEXITY).flags == ()
    largest = {**pairing.by_steps, 32: rescored(pairing.by_steps[32], {"entropy_nats": 3.0})}
    (flag,) = find_parity(replace(pairing, by_steps=largest), PERPLEXITY).flags
    assert flag.startswith("entropy at K=32 is 0.50 nats below")


def test_scores_beyond_what_a_number_can_hold_keep_the_rest_of_the_answer() -> None:
    pairing = sweep([3.0, 2.0])
    vast = {**pairing.by_steps, 16: rescored(pairing.by_steps[16], {"nll_nats": 70_000.0, "judge_tokens": 100})}
    parity = find_parity(replace(pairing, by_steps=vast), PERPLEXITY)
    assert (parity.quality[0].estimate, parity.first_steps) == (math.inf, 32)
    assert "Generative perplexity of K=16 is more than a number can hold" in parity.flags
    beyond_sums = {16: rescored(pairing.by_steps[16], {"nll_nats": 1e308})}
    with pytest.raises(UnscoredError, match="too large to be averaged"):
        find_parity(replace(pairing, by_steps=beyond_sums), PERPLEXITY)


def test_a_clock_that_stood_still_costs_the_speedup_alone() -> None:
    pairing = sweep([5.0, 2.0])
    still = pairing.by_steps[32].measurement
    assert still is not None
    stopped = replace(still, samples=(replace(still.samples[0], latency_s=0.0), *still.samples[1:]))
    broken = {**pairing.by_steps, 32: replace(pairing.by_steps[32], measurement=stopped)}
    parity = find_parity(replace(pairing, by_steps=broken), PERPLEXITY)
    assert (parity.first_steps, parity.speedup, parity.latency_s[1]) == (32, None, None)
    assert "K=32 has no latency: a sample took 0 s" in parity.flags


def test_runs_on_a_machine_that_was_not_left_alone_are_told() -> None:
    pairing = sweep([5.0, 2.0])
    assert pairing.baseline.measurement is not None
    watched = Watched(verdict=Verdict.disturbed, why="CPU busy", labelled=())
    busy = replace(pairing.baseline, measurement=replace(pairing.baseline.measurement, watched=watched))
    (disturbed,) = find_parity(replace(pairing, baseline=busy), PERPLEXITY).disturbed
    assert (disturbed.arm, disturbed.verdict, disturbed.why) == ("baseline", Verdict.disturbed, "CPU busy")
