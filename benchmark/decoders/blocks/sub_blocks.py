"""A sub-block against kept keys and values of its own block: Fast-dLLM v2's `use_block_cache`.

The published rule, `generate` in the modeling.py of Fast_dLLM_v2: as long as the first position of a sub-block is
masked, and at least once, a forward pass computes the whole block and keeps its keys and values. Every further one
computes the sub-block alone, whose own take their places among those kept. That is lossy: what is kept of the block's
other positions belongs to what the block was then.

A row gives the tokens that it gives alone. Rows that are past their passes over the whole block wait for those that are
not. Until then the pass is given the tokens of their last one, so that what is kept of them stays the same.

Dimensions: B rows, L tokens of the canvas, M open positions of a sub-block.
"""

from dataclasses import replace

import torch
from torch import Tensor

from benchmark.decoders.blocks.canvas import BlockCanvas
from benchmark.decoders.blocks.step import Predictor, Step, put_tokens
from benchmark.decoders.interface import Phase, Phases
from benchmark.decoders.open_positions import OpenPositions
from benchmark.decoders.policies.interface import Policy


def fill_sub_block(
    canvas: BlockCanvas,
    predictor: Predictor,
    policy: Policy,
    masked: OpenPositions,
    part: range,
    whole: Step,
    phases: Phases,
) -> None:
    """Write the masks of a sub-block. `whole` is its first pass, which computes the block; policies have no steps."""
    step, fed_BL, needs_B1 = whole, canvas.tokens_BL, _is_open(masked).any(dim=1, keepdim=True)
    passes_B1 = torch.zeros_like(canvas.firsts_B1)
    while masked.most:
        is_whole = bool(needs_B1.any())
        runs_B1 = needs_B1 if is_whole else _is_open(masked).any(dim=1, keepdim=True)
        fed_BL = canvas.tokens_BL.where(runs_B1, fed_BL) if is_whole else canvas.tokens_BL
        step = replace(step, number=whole.number + passes_B1, computed=whole.computed if is_whole else part)
        choice = predictor.predict(canvas, masked.positions_BM, step, fed_BL)
        chosen_BM = policy.choose(masked.closed(choice.scores_BM), 0)
        written_BM = masked.only(chosen_BM) & runs_B1
        put_tokens(canvas, masked.positions_BM, choice.tokens_BM, written_BM)
        phases.mark(Phase.step)
        passes_B1 = passes_B1 + runs_B1
        first_BM = (masked.positions_BM == part.start) & masked.left(written_BM)
        needs_B1 = needs_B1 & first_BM.any(dim=1, keepdim=True)
        masked = masked.without(written_BM, planned=None)


def _is_open(masked: OpenPositions) -> Tensor:
    """Where a position is open, [B, M]."""
    return masked.left(torch.zeros_like(masked.positions_BM, dtype=torch.bool))
