"""Which keys the queries of a pass may see: those of real tokens, and in block-causal attention none of later blocks.

A causal pass of a block-causal model sees nothing behind each query.

Dimensions: R rows, Q queries of a row, L positions of the canvas.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.models.modules import block_causal


@dataclass(frozen=True)
class View:
    """What a pass sees of the canvas.

    Attributes:
        shown_R1L: False at padding; None where there is none.
        block_length: that of block-causal attention; None where positions of all blocks are seen.
        until_R: in a pass within one block, without padding, the number of keys that all queries see (int32).
        first_block: a position at which a block begins.
        is_causal: whether a query of a block-causal model sees nothing behind itself.
    """

    shown_R1L: Tensor | None = None
    block_length: int | None = None
    until_R: Tensor | None = None
    first_block: int = 0
    is_causal: bool = False

    def mask(self, queries: Tensor, length: int) -> Tensor | None:
        """True where a query may see a key, [R or 1, Q, L], by the queries' positions, [Q] or [R, Q].

        None where all may see all, or the first keys. Padding sees itself, so that nothing is divided by zero.
        """
        if self.block_length is None:
            return None if self.shown_R1L is None else self.shown_R1L.expand(-1, queries.shape[-1], -1)
        if self.until_R is not None:
            return None
        keys_L = torch.arange(length, device=queries.device)
        length_of_block, first_block = (1, 0) if self.is_causal else (self.block_length, self.first_block)
        within = block_causal(queries, keys_L, length_of_block, first_block)
        within_RQL = within if queries.dim() > 1 else within[None]
        if self.shown_R1L is None:
            return within_RQL
        own = queries[..., None] == keys_L
        visible_RQL: Tensor = within_RQL & self.shown_R1L | own
        return visible_RQL
