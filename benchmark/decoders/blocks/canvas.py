"""The sequence that block diffusion writes: cut into blocks from its first position, the prompt included.

Rows with prompts of different lengths are laid out so that all begin to write in the same block of the canvas: padding
in front of a row fills whole blocks. So a block is the same window of every row. The first one may begin with the last
tokens of the prompt, and the last one may end with masks beyond the output, which are decoded and dropped.

Dimensions: B rows, P prompt tokens, N output tokens, L tokens of the canvas, M positions of a block.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad

from benchmark.decoders.interface import Batch, Edit
from benchmark.decoders.open_positions import OpenPositions
from benchmark.decoders.schedule import Forward


@dataclass(frozen=True, kw_only=True)
class BlockLayout:
    """Where things are on the canvas.

    Attributes:
        whole: positions before the first block that is written in: the prompts' whole blocks, and padding.
        tails: tokens of each row's prompt behind those.
    """

    whole: int
    tails: tuple[int, ...]
    output_tokens: int
    block_length: int

    @property
    def blocks_of_rows(self) -> tuple[int, ...]:
        """Blocks that each row writes in."""
        return tuple(-(-(tail + self.output_tokens) // self.block_length) for tail in self.tails)

    @property
    def blocks(self) -> tuple[range, ...]:
        """The blocks that are written in, as positions of the canvas."""
        firsts = range(self.whole, self.length, self.block_length)
        return tuple(range(first, first + self.block_length) for first in firsts)

    @property
    def length(self) -> int:
        """Positions of the canvas."""
        return self.whole + max(self.blocks_of_rows) * self.block_length

    @property
    def is_even(self) -> bool:
        """Whether all rows have the same positions."""
        return len(set(self.tails)) == 1


@dataclass(frozen=True, kw_only=True)
class BlockCanvas:
    """The sequence being written, and what was done to it. `firsts_B1` are the first positions of the output.

    `spare` are the forward passes that wrote nothing, which are not among `forwards`; `left_out` are those that were
    not made, see `timed` in decoder.py.
    """

    layout: BlockLayout
    tokens_BL: Tensor
    written_at_BL: Tensor
    padding_BL: Tensor | None
    firsts_B1: Tensor
    ends_B1: Tensor
    streams_B: Tensor
    forwards: list[Forward] = field(default_factory=list)
    spare: list[Forward] = field(default_factory=list)
    left_out: list[Forward] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)

    def own(self, positions_BM: Tensor) -> Tensor:
        """Where a position is one that its row writes, [B, M]."""
        return (positions_BM >= self.firsts_B1) & (positions_BM < self.ends_B1)

    def positions(self, block: range) -> Tensor:
        """The positions of a block, [B, M]."""
        device = self.tokens_BL.device
        return torch.arange(block.start, block.stop, device=device).expand(len(self.tokens_BL), -1)

    def open_positions(self, block: range) -> OpenPositions:
        """Those of a block, or of a part of it, that are to be written."""
        if self.layout.is_even:
            first = min(max(block.start, self.layout.whole + self.layout.tails[0]), block.stop)
            return OpenPositions(positions_BM=self.positions(range(first, block.stop)))
        positions_BM = self.positions(block)
        return OpenPositions(positions_BM=positions_BM).without(~self.own(positions_BM), planned=None)

    def put(self, positions_BM: Tensor, values_BM: Tensor, where_BM: Tensor, target_BL: Tensor) -> None:
        """Set some positions of the tokens, or of what is said of them."""
        target_BL.scatter_(1, positions_BM, values_BM.where(where_BM, target_BL.gather(1, positions_BM)))

    def output(self, of_BL: Tensor) -> Tensor:
        """The output's part, [B, N]."""
        offsets_N = torch.arange(self.layout.output_tokens, device=of_BL.device)
        return of_BL.gather(1, self.firsts_B1 + offsets_N)


def block_layout(batch: Batch, output_tokens: int, block_length: int) -> BlockLayout:
    """The layout for these prompts. Where they are padded, their lengths are read off the device."""
    rows, prompt_tokens = batch.tokens_BP.shape
    lengths = [prompt_tokens] * rows if batch.padding_BP is None else (~batch.padding_BP).sum(dim=1).tolist()
    return BlockLayout(
        whole=max(length // block_length * block_length for length in lengths),
        tails=tuple(length % block_length for length in lengths),
        output_tokens=output_tokens,
        block_length=block_length,
    )


def block_canvas(batch: Batch, layout: BlockLayout, mask_id: int) -> BlockCanvas:
    """The prompts in their places, and masks behind them."""
    prompt_tokens, device = batch.tokens_BP.shape[1], batch.tokens_BP.device
    # room for the longest tail in front: each row moves left by what its own tail is short of a whole block
    missing = layout.whole + layout.block_length - prompt_tokens
    tails_B1 = torch.tensor(layout.tails, device=device)[:, None]
    padding_BP = torch.zeros_like(batch.tokens_BP, dtype=torch.bool) if batch.padding_BP is None else batch.padding_BP
    columns_L = torch.arange(layout.length, device=device)
    sources_BL = columns_L + (layout.block_length - tails_B1)
    is_prompt_BL = sources_BL < missing + prompt_tokens
    sources_BL = sources_BL.clamp(max=missing + prompt_tokens - 1)
    tokens_BL = pad(batch.tokens_BP, (missing, 0)).gather(1, sources_BL).where(is_prompt_BL, mask_id)
    padding_BL = pad(padding_BP, (missing, 0), value=True).gather(1, sources_BL) & is_prompt_BL
    firsts_B1 = layout.whole + tails_B1
    blocks_B1 = torch.tensor(layout.blocks_of_rows, device=device)[:, None]
    return BlockCanvas(
        layout=layout,
        tokens_BL=tokens_BL,
        written_at_BL=torch.zeros_like(tokens_BL),
        padding_BL=None if batch.padding_BP is None else padding_BL,
        firsts_B1=firsts_B1,
        ends_B1=layout.whole + blocks_B1 * layout.block_length,
        streams_B=batch.streams_B,
    )
