"""Which positions are open, are written, are left: rows of different numbers beside each other."""

import torch

from benchmark.decoders.open_positions import OpenPositions, whole_block

BLOCK = whole_block(range(4, 8), 3, torch.device("cpu"))
WRITTEN = torch.tensor([[True, False, True, True], [False, False, True, False], [False, False, False, False]])


def listed(positions: OpenPositions) -> list[list[int]]:
    """Each row's open positions."""
    assert positions.open_BM is not None
    rows = zip(positions.positions_BM.tolist(), positions.open_BM.tolist(), strict=True)
    return [[at for at, is_open in zip(*row, strict=True) if is_open] for row in rows]


def test_rows_that_wrote_different_numbers_keep_what_each_has_left() -> None:
    left = BLOCK.without(WRITTEN, None)
    assert (left.most, listed(left)) == (4, [[5], [4, 5, 7], [4, 5, 6, 7]])
    again = left.without(torch.tensor([[True, False, False, False], [True, True, True, False], [True] * 4]), None)
    assert (again.most, listed(again)) == (0, [[], [], []])


def test_rows_that_wrote_different_numbers_have_each_their_chosen_ones() -> None:
    chosen = BLOCK.chosen(WRITTEN, None)
    assert (chosen.most, listed(chosen)) == (3, [[4, 6, 7], [6], []])
    assert BLOCK.chosen(torch.zeros(3, 4, dtype=torch.bool), None).most == 1  # a window is never empty


def test_what_is_planned_needs_no_look_at_the_device() -> None:
    written = torch.tensor([[True, False, True, False], [False, True, True, False], [False, False, True, True]])
    assert BLOCK.without(written, 2).positions_BM.tolist() == [[5, 7], [4, 7], [4, 5]]
    assert BLOCK.chosen(written, 2).positions_BM.tolist() == [[4, 6], [5, 6], [6, 7]]
    assert BLOCK.without(written, 2).open_BM is BLOCK.chosen(written, 2).open_BM is None


def test_what_is_not_open_is_neither_ranked_nor_chosen() -> None:
    left = BLOCK.without(WRITTEN, None)
    closed = -torch.inf
    assert left.closed(torch.ones(3, 4)).tolist() == [[1, closed, closed, closed], [1, 1, 1, closed], [1] * 4]
    assert left.only(torch.ones(3, 4, dtype=torch.bool)).sum(dim=1).tolist() == [1, 3, 4]
