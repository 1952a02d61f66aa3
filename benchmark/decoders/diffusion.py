"""LLaDA's masked-diffusion sampling: the published tokens, without the work that changes none of them.

Published algorithm: Nie et al., Large Language Diffusion Models, arXiv 2502.09992, algorithms 4 and 5.
What is left out here, with the same tokens: logits where no token can be written, steps that write
nothing, softmax tensors, and every synchronisation with the host, since all shapes are known in advance.

Three things differ on purpose. The mask token is never written. A mask token inside the prompt stays
there and takes no step's quota. Among equal confidences the lower position is written first.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, M masked positions of the block,
K positions written at a step, D hidden.
"""

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import torch
from torch import Tensor

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.decoders.schedule import Step, writing_steps
from benchmark.engines.interface import CanvasPasses
from benchmark.engines.noise import cells, uniform
from benchmark.engines.sampling import Choice, Head
from crossover.records.settings import Remasking


@dataclass(frozen=True, kw_only=True)
class _Canvas:
    """The sequence being written, and what does not change while it is."""

    tokens_BL: Tensor
    padding_BL: Tensor | None
    prompt_tokens: int
    streams_B: Tensor


@dataclass(frozen=True, kw_only=True)
class MaskedDiffusionDecoder:
    """Writes the masked positions of one block after another, `steps` forward passes in all.

    With `guidance_scale` above 0 each step makes a second pass with the prompt masked.
    """

    passes: CanvasPasses
    head: Head
    mask_id: int
    steps: int
    block_length: int
    remasking: Remasking
    guidance_scale: float

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder."""
        rows, prompt_tokens = batch.tokens_BP.shape
        return self.passes.prepare(rows, prompt_tokens, output_tokens, padded=batch.padding_BP is not None)

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens a row.

        `block_length` must divide `output_tokens`, and the number of blocks must divide `steps`.
        """
        assert output_tokens % self.block_length == 0
        self.prepare(batch, output_tokens)
        canvas = self._canvas(batch, output_tokens)
        evaluations = 0
        schedule = writing_steps(output_tokens, self.block_length, self.steps)
        for block, steps in groupby(schedule, key=attrgetter("block")):
            masked_BM = self._block(canvas, block)
            for step in steps:
                masked_BM = self._write(canvas, masked_BM, step)
                evaluations += 2 if self.guidance_scale else 1
                phases.mark(Phase.step)
        return Generation(
            tokens_BN=canvas.tokens_BL[:, canvas.prompt_tokens :],
            forward_passes=evaluations,
            prompts_BP=canvas.tokens_BL[:, : canvas.prompt_tokens],
        )

    def _canvas(self, batch: Batch, output_tokens: int) -> _Canvas:
        masks_BN = batch.tokens_BP.new_full((len(batch.tokens_BP), output_tokens), self.mask_id)
        padding_BL = None
        if batch.padding_BP is not None:
            padding_BL = torch.nn.functional.pad(batch.padding_BP, (0, output_tokens))
        return _Canvas(
            tokens_BL=torch.cat([batch.tokens_BP, masks_BN], dim=1),
            padding_BL=padding_BL,
            prompt_tokens=batch.tokens_BP.shape[1],
            streams_B=batch.streams_B,
        )

    def _block(self, canvas: _Canvas, block: int) -> Tensor:
        """The positions of a block, all of them masked."""
        first = canvas.prompt_tokens + block * self.block_length
        positions_M = torch.arange(first, first + self.block_length, device=canvas.tokens_BL.device)
        return positions_M.expand(len(canvas.tokens_BL), -1)

    def _write(self, canvas: _Canvas, masked_BM: Tensor, step: Step) -> Tensor:
        """Write as many of the masked positions as the step does, and return the others, in ascending order."""
        outputs_BN = masked_BM - canvas.prompt_tokens  # noise goes with the output's position, not the prompt's length
        cells_BM = cells(canvas.streams_B, step.number, outputs_BN)
        if self.remasking is Remasking.random:
            order_BM = _descending(uniform(cells_BM))
            chosen_BK = order_BM[:, : step.writes]
            tokens_BK = self._predict(canvas, masked_BM.gather(1, chosen_BK), cells_BM.gather(1, chosen_BK)).tokens_BM
        else:
            choice = self._predict(canvas, masked_BM, cells_BM)
            order_BM = _descending(choice.confidence_BM)
            chosen_BK = order_BM[:, : step.writes]
            tokens_BK = choice.tokens_BM.gather(1, chosen_BK)
        canvas.tokens_BL.scatter_(1, masked_BM.gather(1, chosen_BK), tokens_BK)
        return masked_BM.gather(1, order_BM[:, step.writes :].sort(dim=1).values)

    def _predict(self, canvas: _Canvas, positions_BM: Tensor, cells_BM: Tensor) -> Choice:
        hidden_BMD = self._hidden(canvas, canvas.tokens_BL, positions_BM)
        if not self.guidance_scale:
            return self.head.choose(hidden_BMD, cells_BM)
        free_BL = canvas.tokens_BL.clone()
        free_BL[:, : canvas.prompt_tokens] = self.mask_id
        free_BMD = self._hidden(canvas, free_BL, positions_BM)
        return self.head.choose_guided(hidden_BMD, free_BMD, self.guidance_scale, cells_BM)

    def _hidden(self, canvas: _Canvas, tokens_BL: Tensor, positions_BM: Tensor) -> Tensor:
        return self.passes.hidden(tokens_BL, canvas.padding_BL, positions_BM)


def _descending(confidence_BM: Tensor) -> Tensor:
    """Order of the positions by confidence; equals keep their order, so the lower position comes first."""
    return confidence_BM.sort(dim=1, descending=True, stable=True).indices
