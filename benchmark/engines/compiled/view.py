"""Which keys the queries of a pass may see: those of real tokens, and in block-causal attention none of later blocks.

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
        until_R: in the pass of one block without padding, the number of keys that all queries see (int32).
    """

    shown_R1L: Tensor | None = None
    block_length: int | None = None
    until_R: Tensor | None = None

    def mask(self, queries: Tensor, length: int) -> Tensor | None:
        """True where a query may see a key, [R or 1, Q, L], by the queries' positions, [Q] or [R, Q].

        None where all may see all, or the first keys. Padding sees itself, so that nothing is divided by zero.
        """
        if self.block_length is None:
            return None if self.shown_R1L is None else self.shown_R1L.expand(-1, queries.shape[-1], -1)
        if self.until_R is not None:
            return None
        keys_L = torch.arange(length, device=queries.device)
        within = block_causal(queries, keys_L, self.block_length)
        within_RQL = within if queries.dim() > 1 else within[None]
        if self.shown_R1L is None:
            return within_RQL
        own = queries[..., None] == keys_L
        visible_RQL: Tensor = within_RQL & self.shown_R1L | own
        return visible_RQL
