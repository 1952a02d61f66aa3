"""Counts of single passes from those of whole generations, by a model of two layers whose counts are written out."""

import pytest

from analysis.statistics.forward_passes.composition import Forward
from analysis.statistics.forward_passes.counted_work import Pass, counted_work
from crossover.records.profile import Limits

COPY, MATRIX = 10.0, 1000.0


def limits(passes: list[Pass]) -> Limits:
    """7 operations a position, 2 a position read, 0.5 a pair; 300 bytes of weights, 1 a position, 4 a kept one."""
    flop = sum(
        each.rows
        * (
            7 * each.forward.computed
            + 2 * each.forward.read
            + 0.5 * each.forward.computed * each.forward.kept
            + 0.25 * each.forward.read * each.forward.kept
        )
        for each in passes
    )
    traffic = sum(
        300 + each.rows * (each.forward.computed + (4 * each.forward.kept if each.keeps else 0)) for each in passes
    )
    return Limits(
        copy_bytes_per_s=COPY,
        matrix_flop_per_s=MATRIX,
        flop=flop,
        bytes=traffic,
        floor_s=1.0,
        floor_share=1.0,
        matrix_share=1.0,
        copy_share=1.0,
    )


def generation(rows: int, length: int, reads: tuple[int, ...], *, keeps: bool = False) -> list[Pass]:
    return [Pass(rows=rows, forward=Forward(length, length, read), keeps=keeps) for read in reads]


SEEN = [
    generation(1, 8, (4, 2)),
    generation(2, 16, (8, 1)),
    generation(3, 32, (16, 16, 3)),
    generation(1, 64, (5,)),
    [*generation(2, 16, (4,), keeps=True), Pass(rows=2, forward=Forward(4, 16, 2), keeps=True)],
    [Pass(rows=1, forward=Forward(8, 64, 4), keeps=True)],
]


def test_a_pass_that_was_never_made_has_its_own_least_time() -> None:
    work = counted_work([(passes, limits(passes)) for passes in SEEN])
    assert work is not None
    wanted = Pass(rows=4, forward=Forward(32, 128, 7), keeps=True)
    by_hand = limits([wanted])
    assert work.least_s(wanted) == pytest.approx(max(by_hand.flop / MATRIX, by_hand.bytes / COPY))


def test_arithmetic_counts_where_it_takes_longer() -> None:
    work = counted_work([(passes, limits(passes)) for passes in SEEN])
    assert work is not None
    wanted = Pass(rows=50, forward=Forward(4000, 4000, 7), keeps=False)
    assert work.least_s(wanted) == pytest.approx(limits([wanted]).flop / MATRIX)


def test_what_the_records_do_not_span_is_not_guessed() -> None:
    passes = generation(1, 8, (4,))
    work = counted_work([(passes, limits(passes))])
    assert work is not None
    assert work.least_s(passes[0]) == pytest.approx(limits(passes).bytes / COPY)
    with pytest.raises(KeyError):
        work.least_s(Pass(rows=2, forward=Forward(4, 16, 2), keeps=True))


def test_a_causal_pass_attends_to_each_position_and_those_before_it() -> None:
    made = Pass(rows=2, forward=Forward(3, 5, 1), keeps=True, causal=True)
    assert list(made.arithmetic) == [2 * 3, 2 * 1, 2 * (3 + 4 + 5), 0]
    assert list(made.traffic) == [1, 2 * 3, 2 * 5]


def test_no_records_give_none() -> None:
    assert counted_work([]) is None
