import math

from hypothesis import given
from hypothesis import strategies as st

from benchmark.sweep.bisection import conclude_search, next_rung

LADDER = [4, 8, 16, 32, 64]


def climb(ladder: list[int], truth: dict[int, bool]) -> dict[int, bool]:
    """All the rungs that bisection asks for, with the truth of each."""
    known: dict[int, bool] = {}
    while (steps := next_rung(ladder, known)) is not None:
        assert steps not in known
        known[steps] = truth[steps]
    return known


@given(st.integers(1, 40).flatmap(lambda rungs: st.tuples(st.just(rungs), st.integers(0, rungs))))
def test_of_a_rising_curve_it_finds_the_first_rung_that_reaches_in_few_tries(case: tuple[int, int]) -> None:
    rungs, first = case
    ladder = [2 * rung + 1 for rung in range(rungs)]
    truth = {steps: index >= first for index, steps in enumerate(ladder)}
    known = climb(ladder, truth)
    finding = conclude_search(ladder, known)
    assert finding.steps == (ladder[first] if first < rungs else None)
    assert len(known) <= math.ceil(math.log2(rungs + 1))
    assert not finding.contradiction


def test_the_rung_below_the_answer_was_measured_and_fails() -> None:
    known = climb(LADDER, {4: False, 8: False, 16: True, 32: True, 64: True})
    finding = conclude_search(LADDER, known)
    assert finding.steps == 16
    assert dict(finding.tried)[8] is False
    assert finding.skipped == (32, 64)


def test_when_no_rung_reaches_there_is_no_answer() -> None:
    known = climb(LADDER, dict.fromkeys(LADDER, False))
    assert conclude_search(LADDER, known).steps is None
    assert known[64] is False


def test_when_every_rung_reaches_the_smallest_is_the_answer() -> None:
    known = climb(LADDER, dict.fromkeys(LADDER, True))
    assert conclude_search(LADDER, known).steps == 4


def test_a_rung_that_fails_above_one_that_reaches_is_a_contradiction() -> None:
    finding = conclude_search(LADDER, {4: False, 8: True, 32: False})
    assert finding.steps == 8
    assert finding.contradiction


def test_nothing_measured_is_nothing_found() -> None:
    finding = conclude_search(LADDER, {})
    assert (finding.steps, finding.tried, finding.skipped) == (None, (), tuple(LADDER))
