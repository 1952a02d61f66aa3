"""One forward pass of block diffusion: what it computes, which tokens it would choose, and how they are written.

Dimensions: B rows, L tokens of the canvas, M positions of a block, D hidden.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmark.decoders.blocks.canvas import BlockCanvas
from benchmark.decoders.schedule import Forward
from benchmark.engines.interface import CanvasPasses
from benchmark.engines.sampling.head import Choice, Head
from benchmark.engines.sampling.noise import cells, uniform
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class Step:
    """A forward pass: its number among those of its block, and in the generation for its noise; what it computes.

    The second may be one for each row, [B, 1].
    """

    forward: int
    number: int | Tensor
    computed: range
    before_B1D: Tensor | None = None

    def work(self, positions_BM: Tensor) -> Forward:
        """What the pass does when it is read at these positions."""
        rows, read = positions_BM.shape
        return Forward(rows=rows, computed=len(self.computed), read=read, seen=self.computed.stop)


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Makes passes and reads them. With `is_shifted` the logits of a position are made at the one before it."""

    passes: CanvasPasses
    head: Head
    is_shifted: bool
    score: Score

    def predict(self, canvas: BlockCanvas, positions_BM: Tensor, step: Step, tokens_BL: Tensor | None = None) -> Choice:
        """The token of each position, and its score. `tokens_BL` stand in for those of the canvas."""
        canvas.forwards.append(step.work(positions_BM))
        start = step.computed.start
        read_BM = (positions_BM - 1).clamp(min=start) if self.is_shifted else positions_BM
        seen_BL = canvas.tokens_BL if tokens_BL is None else tokens_BL
        hidden_BMD = self.passes.hidden(seen_BL, canvas.padding_BL, read_BM, step.computed)
        if self.is_shifted and step.before_B1D is not None:  # what the block before gave, which this pass does not see
            hidden_BMD = step.before_B1D.where((positions_BM == start)[..., None], hidden_BMD)
        return self.choose(canvas, positions_BM, hidden_BMD, step.number)

    def choose(self, canvas: BlockCanvas, positions_BM: Tensor, hidden_BMD: Tensor, number: int | Tensor) -> Choice:
        """The same from what a pass has made."""
        by_chance = self.score is Score.chance
        draws = by_chance or not self.head.is_greedy
        cells_BM = cells_of(canvas, positions_BM, number) if draws else positions_BM
        choice = self.head.choose(hidden_BMD, cells_BM)
        return replace(choice, scores_BM=uniform(cells_BM)) if by_chance else choice


def cells_of(canvas: BlockCanvas, positions_BM: Tensor, number: int | Tensor) -> Tensor:
    """Noise of each position; it goes with the output's position, not with the prompt's length."""
    return cells(canvas.streams_B, number, positions_BM - canvas.firsts_B1)


def put_tokens(canvas: BlockCanvas, positions_BM: Tensor, tokens_BM: Tensor, written_BM: Tensor) -> None:
    """Write tokens, and the number of the forward pass that did."""
    canvas.put(positions_BM, tokens_BM, written_BM, canvas.tokens_BL)
    passes_BM = torch.full_like(tokens_BM, len(canvas.forwards))
    canvas.put(positions_BM, passes_BM, written_BM, canvas.written_at_BL)
