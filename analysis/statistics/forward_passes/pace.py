"""The time of a generation by diffusion at any number of forward passes a block, and the number that a time allows.

Ways to compute, with blocks of b positions that take f forward passes each:

- whole canvas: every pass computes all positions;
- dual cache: the first pass of a block computes all positions, the f - 1 after it those of the block;
- block-causal: a block attends to what comes before it and to itself, so that no pass computes more than the block, one
  more pass a block keeps its final keys and values, and the prompt is computed once, as the baseline's is.

The positions read fall from b evenly, and those attended to grow evenly from block to block; since a pass takes longer
in proportion, their means stand for all of them.
Times are seconds, or joules: whatever the costs are in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from analysis.statistics.forward_passes.composition import Forward

Cost = Callable[[Forward], float]
"""What one pass costs."""

MOST_FORWARDS = 1e6
"""No block takes so many."""
TOLERANCE = 1e-7
"""Share of the forward passes that they are found to."""


class Way(StrEnum):
    """What the forward passes of a block compute."""

    whole = "whole canvas"
    dual = "dual cache"
    block_causal = "block-causal"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A generation: prompt and output tokens of a row, and those of a block."""

    way: Way
    prompt_tokens: int
    output_tokens: int
    block: int

    @property
    def length(self) -> int:
        """Prompt and output."""
        return self.prompt_tokens + self.output_tokens

    @property
    def blocks(self) -> int:
        """Blocks of the output."""
        return self.output_tokens // self.block


def generation_cost(layout: Layout, cost: Cost, forwards: float, prefill: float = 0.0) -> float:
    """What a generation costs whose blocks take so many forward passes each, at least 1.

    Raises:
        KeyError: when a kind of pass was not timed.
    """
    block, length = layout.block, layout.length
    match layout.way:
        case Way.whole:
            return layout.blocks * forwards * cost(Forward(length, length, _mean_read(block, forwards)))
        case Way.dual:
            refresh = cost(Forward(length, length, block))
            return layout.blocks * (refresh + (forwards - 1) * cost(Forward(block, length, block / 2)))
        case Way.block_causal:
            end = layout.prompt_tokens + (layout.blocks + 1) * block / 2
            each = cost(Forward(block, end, _mean_read(block, forwards)))
            return prefill + layout.blocks * (forwards + 1) * each


def forwards_within(cost_of: Callable[[float], float], budget: float) -> float:
    """The forward passes a block that cost as much as `budget`.

    Where even one costs more, the share of one that would not: such a number cannot be reached with this block.

    Raises:
        KeyError: when no number costs as much, since times were composed beyond what was timed, down to nothing.
    """
    least = cost_of(1.0)
    if least >= budget:
        return budget / least
    low, high = 1.0, 2.0
    while cost_of(high) < budget:
        low, high = high, 2 * high
        if high > MOST_FORWARDS:
            raise KeyError(budget)
    while high - low > TOLERANCE * high:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if cost_of(middle) < budget else (low, middle)
    return high


def _mean_read(block: int, forwards: float) -> float:
    """Of b, b (f - 1) / f, ..., b / f."""
    return block * (forwards + 1) / (2 * forwards)
