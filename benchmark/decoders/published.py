"""The code whose speed everybody else reports: LLaDA's published loop, and transformers' generate, on plain modules.

The loop is a port of that in ML-GSAI/LLaDA's generate.py, with all its work: logits at every position of the canvas,
softmax of all of them, a search in each row for its most confident positions, and a wait of the host for the device
wherever the published code waits. It is the baseline that other engines are measured against.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, V vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad, softmax
from transformers import StoppingCriteria, StoppingCriteriaList

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.engines.attention import Kernel
from benchmark.engines.attention_adapter import pinned
from benchmark.models.modules import CausalModel
from crossover.records.settings import Diffusion, Remasking


@dataclass(frozen=True, kw_only=True)
class PublishedDiffusionDecoder:
    """The published loop. Its noise is PyTorch's, from `seed`. It may choose the mask as a token and leave it there."""

    model: CausalModel
    kernel: Kernel
    mask_id: int
    diffusion: Diffusion
    temperature: float
    seed: int
    is_shifted: bool = False

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder: there is nothing to do."""
        return 0.0

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate `output_tokens` tokens a row."""
        prompt_tokens, block_length = batch.tokens_BP.shape[1], self.diffusion.block_length
        canvas_BL = pad(batch.tokens_BP, (0, output_tokens), value=self.mask_id)
        attention_BL = None if batch.padding_BP is None else (~pad(batch.padding_BP, (0, output_tokens))).long()
        given_BL = canvas_BL != self.mask_id
        generator = torch.Generator(canvas_BL.device).manual_seed(self.seed)
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
        return shifted(logits_BLV) if self.is_shifted else logits_BLV


def shifted(logits_BLV: Tensor) -> Tensor:
    """The logits of each position, where the model gives them at the one before it; the first keeps its own."""
    return torch.cat([logits_BLV[:, :1], logits_BLV[:, :-1]], dim=1)


def noisy(logits_BLV: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """What the published code takes the argmax of: the logits, or at a temperature what their argmax samples."""
    if temperature == 0:
        return logits_BLV
    wide_BLV = logits_BLV.double()
    uniform_BLV = torch.rand(wide_BLV.shape, dtype=torch.float64, device=wide_BLV.device, generator=generator)
    return wide_BLV.exp() / (-uniform_BLV.log()) ** temperature


def _counts(masked_BM: Tensor, steps: int) -> Tensor:
    """Tokens that each row writes at each step of a block, [B, steps]."""
    total_B1 = masked_BM.sum(dim=1, keepdim=True)
    counts = (total_B1 // steps).repeat(1, steps)
    for row, extra in enumerate((total_B1 % steps).flatten()):
        counts[row, : int(extra)] += 1
    return counts


class _Marker(StoppingCriteria):
    """Never stops a generation, and marks every token of it."""

    def __init__(self, phases: Phases) -> None:
        self._phases = phases
        self._next = Phase.prefill

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        self._phases.mark(self._next)
        self._next = Phase.step
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


@dataclass(frozen=True, kw_only=True)
class PublishedAutoregressiveDecoder:
    """transformers' generate with a fixed number of new tokens. Its noise is PyTorch's, from `seed`."""

    model: CausalModel
    kernel: Kernel
    temperature: float
    seed: int

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder: there is nothing to do."""
        return 0.0

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens a row."""
        torch.manual_seed(self.seed)
        sampling: dict[str, Any] = {"do_sample": False}
        if self.temperature:
            sampling = {"do_sample": True, "temperature": self.temperature, "top_k": 0}
        padding_BP = (
            torch.zeros_like(batch.tokens_BP, dtype=torch.bool) if batch.padding_BP is None else batch.padding_BP
        )
        with pinned(self.kernel, padded=batch.padding_BP is not None):
            tokens_BL: Tensor = self.model.generate(  # type: ignore[misc,assignment] # transformers types it loosely
                batch.tokens_BP,
                attention_mask=(~padding_BP).long(),
                max_new_tokens=output_tokens,
                eos_token_id=None,
                pad_token_id=0,
                stopping_criteria=StoppingCriteriaList([_Marker(phases)]),
                **sampling,
            )
        prompt_tokens = batch.tokens_BP.shape[1]
        return Generation(
            tokens_BN=tokens_BL[:, prompt_tokens:],
            forward_passes=output_tokens,
            prompts_BP=tokens_BL[:, :prompt_tokens],
        )
