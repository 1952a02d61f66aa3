"""Where rows stand that do not wait for each other."""

import torch

from benchmark.decoders.row_progress import at_the_first_block

MASK = 9


def test_a_row_goes_on_to_its_next_block_by_itself() -> None:
    """Two rows with a prompt of 2 tokens and two blocks of 2; the first row has written its first block."""
    tokens = torch.tensor([[1, 1, 3, 3, MASK, MASK], [1, 1, MASK, 3, MASK, MASK]])
    start = at_the_first_block(torch.where(torch.arange(6) < 2, 1, MASK).repeat(2, 1), 2, 2)
    assert start.numbers.tolist() == [[0], [0]]
    after = start.after(tokens, MASK)
    assert (after.block_B.tolist(), after.forward_B.tolist(), after.numbers.tolist()) == ([1, 0], [0, 1], [[2], [1]])
    assert after.open_in_block(tokens, MASK).tolist() == [[True, True], [True, False]]
    assert after.open_positions(after.open_in_block(tokens, MASK), 2).positions_BM.tolist() == [[4, 5], [2, 3]]


def test_a_row_that_has_written_its_last_block_stays_there() -> None:
    tokens = torch.tensor([[1, 1, 3, 3, 3, 3]])
    last = at_the_first_block(tokens, 2, 2).after(tokens, MASK)
    assert last.block_B.tolist() == last.after(tokens, MASK).block_B.tolist() == [1]
    assert not last.open_in_block(tokens, MASK).any()
