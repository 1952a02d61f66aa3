"""LLaDA's published loop on the plain modules.

A port of that in ML-GSAI/LLaDA's generate.py, with all its work: logits at every position of the canvas, a softmax of
all of them, a search in each row for its most confident positions, and a wait of the host for the device wherever the
published code waits.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad, softmax

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.decoders.published.loop import PublishedLoop, noisy
from benchmark.engines.attention_adapter import pinned
from crossover.records.settings import Remasking


@dataclass(frozen=True, kw_only=True)
class PublishedDiffusionDecoder(PublishedLoop):
    """Quota without a cache, by confidence or at random, with or without guidance."""

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate `output_tokens` tokens a row."""
        prompt_tokens, block_length = batch.tokens_BP.shape[1], self.diffusion.block_length
        canvas_BL = pad(batch.tokens_BP, (0, output_tokens), value=self.mask_id)
        attention_BL = None if batch.padding_BP is None else (~pad(batch.padding_BP, (0, output_tokens))).long()
        given_BL = canvas_BL != self.mask_id
        generator = self.generator()
        blocks = output_tokens // block_length
        steps = self.diffusion.steps // blocks
        for block in range(blocks):
            end = prompt_tokens + (block + 1) * block_length
            counts = _counts(canvas_BL[:, end - block_length : end] == self.mask_id, steps)
            for step in range(steps):
                self._step(canvas_BL, attention_BL, given_BL, end, counts[:, step], generator)
                phases.mark(Phase.step)
        passes = self.diffusion.steps * (2 if self.diffusion.guidance_scale else 1)
        return Generation(
            tokens_BN=canvas_BL[:, prompt_tokens:], forward_passes=passes, prompts_BP=canvas_BL[:, :prompt_tokens]
        )

    def _step(
        self,
        canvas_BL: Tensor,
        attention_BL: Tensor | None,
        given_BL: Tensor,
        end: int,
        counts_B: Tensor,
        generator: torch.Generator,
    ) -> None:
        masked_BL = canvas_BL == self.mask_id
        logits_BLV = self._logits(canvas_BL, attention_BL, given_BL)
        guess_BL = noisy(logits_BLV, self.temperature, generator).argmax(dim=-1)
        if self.diffusion.remasking is Remasking.random:
            chance_BL = torch.rand(guess_BL.shape, device=guess_BL.device, generator=generator)
        else:
            chance_BL = softmax(logits_BLV, dim=-1).gather(-1, guess_BL[..., None]).squeeze(-1)
        chance_BL[:, end:] = -torch.inf
        chance_BL = chance_BL.where(masked_BL, -torch.inf)
        chosen_BL = torch.zeros_like(masked_BL)
        for row, count in enumerate(counts_B):
            chosen_BL[row, chance_BL[row].topk(int(count)).indices] = True
        canvas_BL[chosen_BL] = guess_BL.where(masked_BL, canvas_BL)[chosen_BL]

    def _logits(self, canvas_BL: Tensor, attention_BL: Tensor | None, given_BL: Tensor) -> Tensor:
        scale = self.diffusion.guidance_scale
        if not scale:
            return self._forward(canvas_BL, attention_BL)
        both = torch.cat([canvas_BL, canvas_BL.masked_fill(given_BL, self.mask_id)])
        conditional, free = self._forward(both, None if attention_BL is None else attention_BL.repeat(2, 1)).chunk(2)
        guided_BLV: Tensor = free + (scale + 1) * (conditional - free)
        return guided_BLV

    def _forward(self, tokens_BL: Tensor, attention_BL: Tensor | None) -> Tensor:
        with pinned(self.kernel, padded=attention_BL is not None):
            logits_BLV: Tensor = self.model(tokens_BL, attention_mask=attention_BL, use_cache=False).logits
        return self.aligned(logits_BLV)


def _counts(masked_BM: Tensor, steps: int) -> Tensor:
    """Tokens that each row writes at each step of a block, [B, steps]."""
    total_B1 = masked_BM.sum(dim=1, keepdim=True)
    counts = (total_B1 // steps).repeat(1, steps)
    for row, extra in enumerate((total_B1 % steps).flatten()):
        counts[row, : int(extra)] += 1
    return counts
