import math

import pytest

from analysis.parity.choice import Reading
from analysis.report.words import answer, crossing, inside, listed, number, remarks, steps_to_parity
from analysis.statistics.crossing import Crossing
from analysis.statistics.intervals import Interval
from tests.studies import a_parity, not_reached


def test_the_answer_names_the_steps_and_the_speed_with_their_intervals() -> None:
    assert answer(a_parity()) == (
        "At B=1, N=16 small reaches causal's generative perplexity from K=4 (at least 95% sure: 4 to 8)"
        " and is 1.30 times as fast [1.20, 1.40] there."
        " Between the measured K the curves cross at 3.60 [2.90, 4.70],"
        " where it would be 1.40 [1.10, 1.70] times as fast."
    )


def test_a_speed_whose_interval_contains_one_is_called_neither() -> None:
    assert "is about as fast there, 0.98 times as fast [0.90, 1.07]" in answer(
        a_parity(speedup=Interval(0.98, 0.9, 1.07))
    )
    assert "and may be faster or slower there, 4.31 times as fast [0.25, 4.46]" in answer(
        a_parity(speedup=Interval(4.31, 0.25, 4.46))
    )
    assert "slower there, 0.50 times as fast [0.40, 0.60]" in answer(a_parity(speedup=Interval(0.5, 0.4, 0.6)))


def test_parity_that_is_not_reached_is_an_answer() -> None:
    assert answer(not_reached()) == "At B=1, N=16 small does not reach causal's generative perplexity up to K=8."
    assert "with probability 0.30" in answer(not_reached(reaches_probability=(0.0, 0.1, 0.3)))


def test_the_smallest_steps_may_be_more_than_are_needed() -> None:
    parity = a_parity(reading=Reading.smallest, first_steps=2, first_steps_interval=(2, 2))
    assert "already reaches causal's generative perplexity at the smallest K measured, K=2" in answer(parity)
    assert "(at least 95% sure: 2 alone)" in answer(parity)
    assert steps_to_parity(parity) == "≤ 2"


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
    found = a_parity(crossing=Crossing(steps=steps, low=low, high=high, possible=(2, None)), crossing_speedup=None)
    assert crossing(found) == shown
    assert "cross" not in answer(found)


def test_an_interval_may_reach_past_the_sweep() -> None:
    assert "4 to more than 8" in answer(a_parity(first_steps_interval=(4, None)))
    assert steps_to_parity(not_reached()) == "> 8"


def test_a_margin_is_part_of_the_claim() -> None:
    assert "perplexity within a margin of 2.00 from" in answer(a_parity(margin=2.0))


def test_flags_and_curves_that_turn_are_remarked_upon() -> None:
    assert remarks(a_parity()) == ()
    assert remarks(a_parity(flags=("too few prompts",))) == ("Too few prompts.",)
    (remark,) = remarks(a_parity(monotone=False))
    assert remark.startswith("Quality does not rise with every step")


@pytest.mark.parametrize(("value", "shown"), [(0.04667, "0.0467"), (1.0, "1.00"), (149.3, "149"), (12345.6, "12,346")])
def test_numbers_have_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_labels_lose_their_capital_within_a_sentence_unless_they_are_names() -> None:
    assert (inside("Generative perplexity"), inside("BERTScore F1")) == ("generative perplexity", "BERTScore F1")


def test_lists_end_with_and() -> None:
    assert (listed([]), listed(["a"]), listed(["a", "b", "c"])) == ("", "a", "a, b and c")
