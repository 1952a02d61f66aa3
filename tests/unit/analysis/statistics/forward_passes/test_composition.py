"""Composed times against sums made by hand."""

import pytest

from analysis.statistics.forward_passes.composition import Forward, costs


def test_passes_that_differ_in_what_is_read_lie_on_the_line_between_those_that_were_timed() -> None:
    timed = [(Forward(16, 16, 2), 1.0), (Forward(16, 16, 6), 3.0)]
    assert costs(timed).seconds([Forward(16, 16, read) for read in (2, 4, 6)]) == pytest.approx(1 + 2 + 3)


def test_nothing_is_extrapolated() -> None:
    timed = [(Forward(16, 16, 2), 1.0), (Forward(16, 16, 6), 3.0)]
    assert costs(timed).seconds([Forward(16, 16, 1), Forward(16, 16, 9)]) == pytest.approx(1 + 3)


def test_tokens_that_differ_in_what_they_attend_to_lie_on_a_line_too() -> None:
    timed = [(Forward(1, 10, 1), 1.0), (Forward(1, 20, 1), 2.0), (Forward(1, 40, 1), 2.2)]
    assert costs(timed).seconds([Forward(1, 15, 1), Forward(1, 30, 1)]) == pytest.approx(1.5 + 2.1)


def test_where_both_differ_a_plane_goes_through_them() -> None:
    def seconds(kept: int, read: int) -> float:
        return 0.5 + 0.01 * kept + 0.1 * read

    timed = [(Forward(4, kept, read), seconds(kept, read)) for kept, read in ((8, 4), (8, 1), (16, 4), (16, 1))]
    wanted = [Forward(4, 12, 2), Forward(4, 9, 3)]
    assert costs(timed).seconds(wanted) == pytest.approx(seconds(12, 2) + seconds(9, 3))


def test_kinds_of_passes_are_kept_apart_and_equal_ones_give_their_median() -> None:
    whole, window = Forward(16, 16, 4), Forward(4, 16, 4)
    timed = [(whole, 8.0), (whole, 9.0), (whole, 30.0), (window, 1.0)]
    assert costs(timed).seconds([whole, window, window]) == pytest.approx(9 + 1 + 1)


def test_a_kind_that_was_not_timed_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        costs([(Forward(16, 16, 4), 1.0)]).seconds([Forward(4, 16, 4)])
