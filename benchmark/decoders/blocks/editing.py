"""A block that is written and looked at again: see policies/blocks/editing.py.

Dimensions: B rows, M positions of a block.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmark.decoders.blocks.canvas import BlockCanvas
from benchmark.decoders.blocks.step import Predictor, Step, put_tokens
from benchmark.decoders.interface import Edit, Phase, Phases
from benchmark.decoders.policies.blocks.editing import Editing


def edit_block(
    canvas: BlockCanvas,
    predictor: Predictor,
    policy: Editing,
    block: range,
    step_of: Callable[[int], Step],
    phases: Phases,
) -> None:
    """Write all masks of a block, and replace tokens of it that are written. `step_of` makes its forward passes."""
    positions_BM = canvas.positions(block)
    own_BM = canvas.own(positions_BM)
    masked_BM, runs_B1, forward = own_BM, own_BM.any(dim=1, keepdim=True), 0
    post_steps_B1 = torch.zeros_like(runs_B1, dtype=torch.long)
    while True:
        has_masks_B1 = masked_BM.any(dim=1, keepdim=True)
        post_steps_B1 = post_steps_B1 + ~has_masks_B1
        runs_B1 = runs_B1 & (has_masks_B1 | (post_steps_B1 <= policy.max_post_steps))
        if not runs_B1.any():
            return
        choice = predictor.predict(canvas, positions_BM, step_of(forward))
        scores_BM = choice.scores_BM
        written_BM = policy.choose(scores_BM.masked_fill(~masked_BM, -torch.inf), forward) & masked_BM & runs_B1
        tokens_BM = canvas.tokens_BL.gather(1, positions_BM)
        written_before_BM = own_BM & ~masked_BM & runs_B1
        edited_BM = policy.replaced(scores_BM, choice.tokens_BM, tokens_BM, written_before_BM)
        put_tokens(canvas, positions_BM, choice.tokens_BM, written_BM)
        _replace(canvas, positions_BM, choice.tokens_BM, edited_BM)
        runs_B1 = runs_B1 & (has_masks_B1 | edited_BM.any(dim=1, keepdim=True))
        masked_BM = masked_BM & ~written_BM
        phases.mark(Phase.step)
        forward += 1


def _replace(canvas: BlockCanvas, positions_BM: Tensor, tokens_BM: Tensor, edited_BM: Tensor) -> None:
    """Replace tokens, and note those of the output."""
    canvas.put(positions_BM, tokens_BM, edited_BM, canvas.tokens_BL)
    outputs_BM = positions_BM - canvas.firsts_B1
    noted_BM = edited_BM & (outputs_BM < canvas.layout.output_tokens)
    rows = noted_BM.nonzero()[:, 0].tolist()
    outputs, tokens = outputs_BM[noted_BM].tolist(), tokens_BM[noted_BM].tolist()
    step = len(canvas.forwards)
    canvas.edits.extend(
        Edit(step, row, output, token) for row, output, token in zip(rows, outputs, tokens, strict=True)
    )
