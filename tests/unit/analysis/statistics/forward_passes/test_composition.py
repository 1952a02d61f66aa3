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
    for kept, read in ((12, 2), (9, 3), (16, 4), (4, 1)):
        assert costs(timed).one(Forward(4, kept, read)) == pytest.approx(seconds(kept, read))
    falling = costs([(Forward(4, 8, 1), 1.0), (Forward(4, 16, 1), 5.0), (Forward(4, 16, 2), 5.0)])
    assert falling.one(Forward(4, 2, 1)) == 0.0, "no time is negative"


def test_of_passes_that_differ_in_the_other_number_alone_the_mean_counts() -> None:
    timed = [(Forward(4, 8, 1), 1.0), (Forward(4, 8, 2), 5.0)]
    assert costs([*timed, (Forward(4, 8, 2), 7.0)]).one(Forward(4, 6, 2)) == 6.0
    line = costs([(Forward(1, 8, 1), 1.0), (Forward(1, 16, 1), 3.0)])
    assert line.by_computed.keys() == {1}
    assert (line.knows(1), line.knows(2)) == (True, False)


def test_where_fewer_positions_are_attended_to_than_were_timed_the_line_goes_on_down_to_nothing() -> None:
    line = costs([(Forward(1, 10, 1), 1.0), (Forward(1, 20, 1), 2.0), (Forward(1, 30, 1), 3.0)])
    assert [line.one(Forward(1, kept, 1)) for kept in (10, 5, 0, -5)] == pytest.approx([1.0, 0.5, 0.0, 0.0])


@pytest.mark.parametrize("read", [(1, 1), (1, 2)])
def test_where_more_are_attended_to_nothing_is_said(read: tuple[int, int]) -> None:
    timed = costs([(Forward(1, 10, read[0]), 1.0), (Forward(1, 20, read[1]), 2.0)])
    assert timed.one(Forward(1, 20, 1)) > 0
    with pytest.raises(KeyError):
        timed.one(Forward(1, 20.5, 1))


def test_kinds_of_passes_are_kept_apart_and_equal_ones_give_their_median() -> None:
    whole, window = Forward(16, 16, 4), Forward(4, 16, 4)
    timed = [(whole, 8.0), (whole, 9.0), (whole, 30.0), (window, 1.0)]
    assert costs(timed).seconds([whole, window, window]) == pytest.approx(9 + 1 + 1)


def test_a_kind_that_was_not_timed_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        costs([(Forward(16, 16, 4), 1.0)]).seconds([Forward(4, 16, 4)])
