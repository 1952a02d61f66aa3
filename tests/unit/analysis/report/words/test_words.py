import math
import re

import pytest

from analysis.parity.choice import Reading
from analysis.parity.flags import Disturbance
from analysis.report.words.basis import basis
from analysis.report.words.numbers import inside, listed, number
from analysis.report.words.parity import answer, crossing, disagreements, remarks, steps_to_parity
from analysis.statistics.crossing import Crossing
from analysis.statistics.intervals import Interval
from crossover.records.machine import Verdict
from tests.studies import a_parity, not_reached, undecided


def test_the_answer_claims_what_the_interval_shows_and_gives_the_estimate_beside_it() -> None:
    assert answer(a_parity()) == (
        "At B=1, N=16 small reaches causal's generative perplexity by K=8"
        " (95% confidence interval of the fewest steps: K=4 to K=8)."
        " At the estimate, K=4, it is faster there, 1.30 [1.20, 1.40] times as fast (one process each)."
        " Between the measured K the curves cross at 3.60 [2.90, 4.70],"
        " where it would be 1.40 [1.10, 1.70] times as fast."
    )


def test_no_word_takes_a_confidence_interval_for_a_posterior() -> None:
    said = [answer(each) for each in (a_parity(), undecided(), not_reached(), a_parity(first_steps_interval=(4, 4)))]
    for sentence in (*said, basis([a_parity()])):
        assert not re.search(r"\bsure\b|probab|likely|chance", sentence)


def test_a_speed_is_called_faster_or_slower_beyond_the_margin_alone() -> None:
    assert "it is about as fast there, 0.98 [0.90, 1.07] times as fast" in answer(
        a_parity(speedup=Interval(0.98, 0.9, 1.07))
    )
    assert "may be faster or slower there, 4.31 [0.25, 4.46] times as fast" in answer(
        a_parity(speedup=Interval(4.31, 0.25, 4.46))
    )
    assert "is slower there, 0.50 [0.40, 0.60] times as fast" in answer(a_parity(speedup=Interval(0.5, 0.4, 0.6)))
    close = Interval(1.07, 1.06, 1.08)
    assert "about as fast there, 1.07" in answer(a_parity(speedup=close))
    several = answer(a_parity(speedup=close, processes=4, verdict_margin=0.0))
    assert "is faster there, 1.07 [1.06, 1.08] times as fast." in several


def test_one_process_on_a_disturbed_machine_is_called_neither_faster_nor_slower() -> None:
    disturbed = (Disturbance(arm="baseline", verdict=Verdict.disturbed, why="CPU busy"),)
    assert "may be faster or slower there, 1.30" in answer(a_parity(disturbed=disturbed))
    assert "is faster there" in answer(a_parity(disturbed=disturbed, processes=3, verdict_margin=0.0))


def test_parity_that_is_not_reached_is_an_answer() -> None:
    assert answer(not_reached()) == (
        "At B=1, N=16 small does not reach causal's generative perplexity up to K=8: every K measured falls short."
    )


def test_what_the_prompts_do_not_decide_is_an_answer() -> None:
    assert answer(undecided()).startswith(
        "At B=1, N=16 it is not decided whether small reaches causal's generative perplexity up to"
        " K=8: 95% confidence interval of the fewest steps: K=4 to beyond K=8. At the estimate, K=4, it is faster"
    )
    assert steps_to_parity(undecided()) == "not decided"
    assert "At the estimate" not in answer(undecided(first_steps=None, speedup=None))


def test_the_smallest_steps_may_be_more_than_are_needed() -> None:
    parity = a_parity(reading=Reading.smallest, first_steps=2, first_steps_interval=(2, 2))
    assert "already reaches causal's generative perplexity at the smallest K measured, K=2" in answer(parity)
    assert "(95% confidence interval of the fewest steps: K=2 alone) and is faster there" in answer(parity)
    assert steps_to_parity(parity) == "≤ 2"


def test_an_answer_says_that_its_runs_were_not_timed_on_a_clean_machine() -> None:
    busy = [Disturbance(arm=arm, verdict=Verdict.disturbed, why="CPU busy") for arm in ("baseline", "K=4", "K=8")]
    unknown = Disturbance(arm="K=2", verdict=Verdict.unknown, why="")
    parity = a_parity(disturbed=(*busy, unknown))
    assert answer(parity).endswith("The timing behind this is not clean (disturbed: baseline, K=4, 8; unknown: K=2).")
    assert remarks(parity) == (
        "Timed on a disturbed machine: baseline, K=4, 8 (CPU busy).",
        "Timed on a machine that could not be watched: K=2.",
    )


def test_the_basis_says_what_kind_of_intervals_they_are_and_what_those_of_timing_cover() -> None:
    one, several = basis([a_parity()]), basis([a_parity(processes=5)])
    assert "95% confidence intervals" in one
    assert "Each run was timed in one process" in one
    assert "no verdict is given on less than 10%" in one
    assert "rest on 5 processes a run" in several
    assert "Where it is one, they cover that process alone" in basis([a_parity(), a_parity(processes=5)])
    several = basis([a_parity(processes=3, prompts=16), a_parity(processes=5), a_parity(processes=4, prompts=24)])
    assert "Quality rests on 8 to 24 prompts" in several
    assert "rest on 3 to 5 processes a run" in several
    assert "that process alone" not in several


@pytest.mark.parametrize(
    ("ends", "shown"),
    [
        ((0.0, 0.0, 5.2), "≤ 2 [≤ 2, 5.20]"),
        ((0.0, 0.0, 0.0), "≤ 2"),
        ((7.0, 0.0, math.inf), "7.00 [≤ 2, > 8]"),
        ((math.inf, 6.0, math.inf), "> 8 [6.00, > 8]"),
        ((math.inf, math.inf, math.inf), "> 8"),
    ],
)
def test_a_crossing_may_lie_beyond_the_ladder_with_any_of_its_ends(
    ends: tuple[float, float, float], shown: str
) -> None:
    steps, low, high = ends
    parity = a_parity(crossing=Crossing(steps=steps, low=low, high=high, possible=(2, None)), crossing_speedup=None)
    assert crossing(parity) == shown
    assert "cross" not in answer(parity)


def test_an_interval_may_reach_past_the_sweep() -> None:
    assert "K=4 to beyond K=8" in answer(undecided())
    assert steps_to_parity(not_reached()) == "> 8"


def test_a_margin_is_part_of_the_claim() -> None:
    assert "perplexity within a margin of 2 by" in answer(a_parity(margin=2.0))


def test_flags_and_curves_that_turn_are_remarked_upon() -> None:
    assert remarks(a_parity()) == ()
    assert remarks(a_parity(flags=("too few prompts",))) == ("Too few prompts.",)
    (remark,) = remarks(a_parity(monotone=False))
    assert remark.startswith("Quality does not rise with every step")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (math.inf, "∞"),
        (-0.0, "0.00"),
        (3e15, "3e+15"),
        (0.04667, "0.0467"),
        (1.0, "1.00"),
        (149.3, "149"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_labels_lose_their_capital_within_a_sentence_unless_they_are_names() -> None:
    assert (inside("Generative perplexity"), inside("BERTScore F1")) == ("generative perplexity", "BERTScore F1")


def test_lists_end_with_and() -> None:
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")


def test_metrics_that_say_different_steps_to_parity_are_said_to_disagree() -> None:
    by_byte = a_parity(metric="bits_per_byte", first_steps=8)
    elsewhere = a_parity(metric="bits_per_byte", first_steps=8, batch=8)
    rows = [(by_byte, ""), (elsewhere, ""), (a_parity(), "")]
    (sentence,) = disagreements(rows)
    assert sentence == (
        "The metrics disagree at B=1, N=16 on the steps to causal's quality: 8 by bits per byte under the judge; 4 by"
        " generative perplexity."
    )
    assert disagreements([(a_parity(), ""), (a_parity(metric="bits_per_byte"), ""), (by_byte, "another")]) == []
