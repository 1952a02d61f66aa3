"""Which keys the queries of a captured pass see."""

import pytest
import torch

from benchmark.engines.compiled.canvas import _Part


@pytest.mark.parametrize(
    ("first_block", "length", "positions", "until"),
    [(0, 20, (4, 5, 6, 7), 8), (3, 20, (7, 8, 9, 10), 11), (3, 20, (3, 4, 5), 7), (3, 17, (15, 16), 17)],
)
def test_the_keys_end_with_the_block_of_the_queries_counted_from_the_first_block(
    first_block: int, length: int, positions: tuple[int, ...], until: int
) -> None:
    part = _Part(
        rows=2,
        width=len(positions),
        length=length,
        padded=False,
        kept=None,
        block_length=4,
        first_block=first_block,
    )
    assert part.until(torch.tensor(positions)).tolist() == [until, until]
