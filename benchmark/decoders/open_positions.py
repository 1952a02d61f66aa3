"""The masked positions of each row's block, and which of them are left after a forward pass.

Rows that follow the text have different numbers of them. Each row then lists as many as the longest needs, its open
ones first, in ascending order; what fills it up are positions that are written already.

Dimensions: B rows, M positions, K of them written.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class OpenPositions:
    """Positions of the canvas, [B, M]; `open_BM` is None where all of them are open."""

    positions_BM: Tensor
    open_BM: Tensor | None = None

    @property
    def most(self) -> int:
        """M: the most open positions of any row."""
        return self.positions_BM.shape[1]

    def closed(self, scores_BM: Tensor) -> Tensor:
        """The scores, minus infinity where a position is not open."""
        return scores_BM if self.open_BM is None else scores_BM.masked_fill(~self.open_BM, -torch.inf)

    def only(self, chosen_BM: Tensor) -> Tensor:
        """Where a position was chosen and is open."""
        return chosen_BM if self.open_BM is None else chosen_BM & self.open_BM

    def without(self, written_BM: Tensor, planned: int | None) -> "OpenPositions":
        """What is left; `planned` is how many every row has written, None where that has to be read off the device."""
        if planned is not None:
            return OpenPositions(positions_BM=self.first(~written_BM, self.most - planned))
        left_BM = self.left(written_BM)
        return self.only_open(left_BM, int(left_BM.sum(dim=1).max()))

    def left(self, written_BM: Tensor) -> Tensor:
        """Where a position is still open, [B, M]."""
        return ~written_BM if self.open_BM is None else self.open_BM & ~written_BM

    def only_open(self, left_BM: Tensor, most: int) -> "OpenPositions":
        """The positions that are left, of which no row has more than `most`."""
        positions_BM = self.first(left_BM, most)
        still_BM = torch.arange(most, device=left_BM.device) < left_BM.sum(dim=1, keepdim=True)
        return OpenPositions(positions_BM=positions_BM, open_BM=still_BM)

    def chosen(self, written_BM: Tensor, planned: int | None) -> "OpenPositions":
        """Those that are written, of which each row may have another number where that is not planned."""
        if planned is not None:
            return OpenPositions(positions_BM=self.first(written_BM, planned))
        most = max(1, int(written_BM.sum(dim=1).max()))
        is_chosen_BM = torch.arange(most, device=written_BM.device) < written_BM.sum(dim=1, keepdim=True)
        return OpenPositions(positions_BM=self.first(written_BM, most), open_BM=is_chosen_BM)

    def first(self, marked_BM: Tensor, count: int) -> Tensor:
        """The first `count` positions of each row, those that are marked before all others, in ascending order."""
        order_BM = (~marked_BM).to(torch.uint8).sort(dim=1, stable=True).indices
        return self.positions_BM.gather(1, order_BM[:, :count])


def whole_block(block: range, rows: int, device: torch.device) -> OpenPositions:
    """A block of masks."""
    return OpenPositions(positions_BM=torch.arange(block.start, block.stop, device=device).expand(rows, -1))
