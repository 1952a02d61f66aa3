"""Dream's own loop on the plain modules.

A port of generation_utils.py of Dream (HKU NLP): logits at every position of the canvas, shifted by one; temperature,
top_p and top_k on those of the masks; the host's waiting for the device at every step.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, C masks of all rows, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad, softmax

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.decoders.published.loop import PublishedLoop
from benchmark.decoders.schedule import Forward, dream_times
from benchmark.engines.attention_adapter import pinned
from benchmark.engines.positions import rotary_positions
from benchmark.engines.sampling.scores import DREAM_EPSILON, kept_by_top_p_and_top_k
from crossover.records.policies import PolicyName


@dataclass(frozen=True, kw_only=True)
class PublishedDreamDecoder(PublishedLoop):
    """Dream's schedule, which writes the whole output without blocks."""

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate `output_tokens` tokens a row."""
        prompt_tokens, steps = batch.tokens_BP.shape[1], self.diffusion.steps
        assert self.diffusion.policy.eps is not None
        times = dream_times(steps, self.diffusion.policy.eps)
        canvas_BL = pad(batch.tokens_BP, (0, output_tokens), value=self.mask_id)
        padding_BL = None if batch.padding_BP is None else pad(batch.padding_BP, (0, output_tokens))
        written_at_BL, forwards = torch.zeros_like(canvas_BL), list[Forward]()
        generator = self.generator()
        for step in range(steps):
            forwards.append(Forward(rows=len(canvas_BL), computed=canvas_BL.shape[1], read=canvas_BL.shape[1]))
            logits_BLV = self._logits(canvas_BL, padding_BL)
            share = 1.0 if step == steps - 1 else 1 - times[step + 1] / times[step]
            before_BL = canvas_BL.clone()
            self._write(canvas_BL, logits_BLV, share, generator)
            written_at_BL[before_BL != canvas_BL] = step + 1
            phases.mark(Phase.step)
        return Generation(
            tokens_BN=canvas_BL[:, prompt_tokens:],
            forward_passes=steps,
            prompts_BP=canvas_BL[:, :prompt_tokens],
            forwards=tuple(forwards),
            written_at_BN=written_at_BL[:, prompt_tokens:],
        )

    def _logits(self, canvas_BL: Tensor, padding_BL: Tensor | None) -> Tensor:
        unpadded = {}
        if padding_BL is not None:
            unpadded = {"attention_mask": (~padding_BL).long(), "position_ids": rotary_positions(padding_BL)}
        with pinned(self.kernel, padded=padding_BL is not None):
            logits_BLV: Tensor = self.model(canvas_BL, use_cache=False, **unpadded).logits
        return self.aligned(logits_BLV)

    def _write(self, canvas_BL: Tensor, logits_BLV: Tensor, share: float, generator: torch.Generator) -> None:
        masked_BL, policy = canvas_BL == self.mask_id, self.diffusion.policy
        guess_C, scores_C = self._sampled(logits_BLV[masked_BL], generator)
        guess_BL, scores_BL = canvas_BL.clone(), torch.full_like(logits_BLV[..., 0], -torch.inf, dtype=torch.float32)
        guess_BL[masked_BL], scores_BL[masked_BL] = guess_C, scores_C
        if policy.name == PolicyName.origin:
            chance_BL = torch.rand(canvas_BL.shape, device=canvas_BL.device, generator=generator)
            canvas_BL.copy_(guess_BL.where(chance_BL < share, canvas_BL))
            return
        count = int(masked_BL.sum() / len(canvas_BL) * share)
        if not count:
            return
        if policy.alg_temp:
            chances_BL = softmax(scores_BL / policy.alg_temp, dim=-1)
            chosen_BM = torch.multinomial(chances_BL, count, generator=generator)
        else:
            chosen_BM = scores_BL.topk(count, dim=-1).indices
        canvas_BL.scatter_(1, chosen_BM, guess_BL.gather(1, chosen_BM))

    def _sampled(self, logits_CV: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tokens and scores of the masks, [C]."""
        policy = self.diffusion.policy
        logits_CV = kept_by_top_p_and_top_k(logits_CV / (self.temperature or 1.0), policy.top_p, policy.top_k)
        chances_CV = softmax(logits_CV.float(), dim=-1)
        best_C, guess_C = chances_CV.max(dim=-1)
        if self.temperature and len(guess_C):
            guess_C = torch.multinomial(chances_CV, 1, generator=generator).squeeze(-1)
            best_C = chances_CV.gather(-1, guess_C[:, None]).squeeze(-1)
        match policy.name:
            case PolicyName.topk_margin:
                falling_CV = chances_CV.sort(dim=-1, descending=True).values
                return guess_C, falling_CV[:, 0] - falling_CV[:, 1]
            case PolicyName.dream_entropy:
                return guess_C, (chances_CV * (chances_CV + DREAM_EPSILON).log()).sum(dim=-1)
        return guess_C, best_C
