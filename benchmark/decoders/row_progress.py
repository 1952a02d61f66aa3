"""Where each row of a batch stands when no row waits for another.

Dimensions: B rows, L tokens of a canvas, N blocks, M positions of a block.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.decoders.open_positions import OpenPositions
from benchmark.decoders.schedule import blocks_of


@dataclass(frozen=True, kw_only=True)
class RowProgress:
    """Each row's block, by its number, and the forward passes that it has had in that block; both [B].

    `firsts_N` are the first positions of the blocks.
    """

    firsts_N: Tensor
    block_B: Tensor
    forward_B: Tensor
    block_length: int

    @property
    def numbers(self) -> Tensor:
        """The number of each row's forward pass as if the row stood alone, [B, 1]."""
        return (self.block_B * self.block_length + self.forward_B)[:, None]

    def open_in_block(self, tokens_BL: Tensor, mask_id: int) -> Tensor:
        """Where each row's block holds a mask, [B, M]; a row that has written all of its blocks has none."""
        return ~self._written(tokens_BL, mask_id)

    def open_positions(self, open_BM: Tensor, most: int) -> OpenPositions:
        """The masks of each row's block, of which no row has more than `most`."""
        return OpenPositions(positions_BM=self._positions()).only_open(open_BM, most)

    def after(self, tokens_BL: Tensor, mask_id: int) -> "RowProgress":
        """Where rows stand when they have written: in the next block where this one has no mask left."""
        done_B = self._written(tokens_BL, mask_id).all(dim=1) & (self.block_B + 1 < len(self.firsts_N))
        return replace(self, block_B=self.block_B + done_B, forward_B=(self.forward_B + 1).masked_fill(done_B, 0))

    def _positions(self) -> Tensor:
        """Positions of each row's block, [B, M]."""
        offsets_M = torch.arange(self.block_length, device=self.block_B.device)
        return self.firsts_N[self.block_B][:, None] + offsets_M

    def _written(self, tokens_BL: Tensor, mask_id: int) -> Tensor:
        """Where a row's block holds a token, [B, M]."""
        return tokens_BL.gather(1, self._positions()) != mask_id


def at_the_first_block(tokens_BL: Tensor, prompt_tokens: int, block_length: int) -> RowProgress:
    """Every row at its first block."""
    blocks = blocks_of(prompt_tokens, tokens_BL.shape[1] - prompt_tokens, block_length)
    none_B = tokens_BL.new_zeros(len(tokens_BL))
    return RowProgress(
        firsts_N=torch.tensor([block.start for block in blocks], device=tokens_BL.device),
        block_B=none_B,
        forward_B=none_B,
        block_length=block_length,
    )
