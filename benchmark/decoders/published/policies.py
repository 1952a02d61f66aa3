"""Fast-dLLM's published loop for policies and caches, on the plain modules.

A port of the loops in NVlabs/Fast-dLLM's llada/generate.py, and for models of shifted logits in its dream/model, work
for work: logits at every position that a forward pass computes, a softmax of all of them in float64, the rows' choices
one after another on the host, and the host's waiting for the device wherever the published code waits. One thing
differs: the published loop with a dual cache can end a block with masks in it, and this one does not.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, W positions of a window, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad, softmax

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.decoders.published.loop import PublishedLoop, noisy
from benchmark.decoders.schedule import Forward, blocks_of, computed_positions, transfers
from benchmark.engines.attention_adapter import pinned
from benchmark.engines.kept_keys import KeptKeys
from crossover.records.policies import FactorRule, Policy, PolicyName


@dataclass(frozen=True, kw_only=True)
class PublishedPolicyDecoder(PublishedLoop):
    """Quota, threshold or factor, with or without a cache."""

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate `output_tokens` tokens a row."""
        prompt_tokens, diffusion = batch.tokens_BP.shape[1], self.diffusion
        canvas_BL = pad(batch.tokens_BP, (0, output_tokens), value=self.mask_id)
        attention_BL = None if batch.padding_BP is None else (~pad(batch.padding_BP, (0, output_tokens))).long()
        written_at_BL, forwards = torch.zeros_like(canvas_BL), list[Forward]()
        rows, length = canvas_BL.shape
        kept = KeptKeys(self.model.config.num_hidden_layers, length) if diffusion.cache else None
        generator = self.generator()
        blocks = blocks_of(prompt_tokens, output_tokens, diffusion.block_length)
        steps = diffusion.steps // len(blocks)
        for block in blocks:
            most = diffusion.block_length if diffusion.policy.is_self_paced else steps
            for forward in range(most):
                if not (canvas_BL[:, block.start : block.stop] == self.mask_id).any():
                    break
                window = computed_positions(diffusion.cache, length, block, forward)
                forwards.append(Forward(rows=rows, computed=len(window), read=len(window)))
                logits_BWV = self._logits(canvas_BL, attention_BL, window, kept)
                before_BL = canvas_BL.clone()
                self._write(canvas_BL, logits_BWV, block, window, (steps, forward), generator)
                written_at_BL[before_BL != canvas_BL] = len(forwards)
                phases.mark(Phase.step)
        return Generation(
            tokens_BN=canvas_BL[:, prompt_tokens:],
            forward_passes=len(forwards),
            prompts_BP=canvas_BL[:, :prompt_tokens],
            forwards=tuple(forwards),
            written_at_BN=written_at_BL[:, prompt_tokens:],
        )

    def _logits(self, canvas_BL: Tensor, attention_BL: Tensor | None, window: range, kept: KeptKeys | None) -> Tensor:
        if kept is not None:
            kept.window = window
        positions_1W = torch.arange(window.start, window.stop, device=canvas_BL.device)[None]
        with pinned(self.kernel, padded=attention_BL is not None):
            logits_BWV: Tensor = self.model(
                canvas_BL[:, window.start : window.stop],
                attention_mask=attention_BL,
                position_ids=positions_1W,
                past_key_values=kept,
                use_cache=False,
            ).logits
        return self.aligned(logits_BWV)

    def _write(
        self,
        canvas_BL: Tensor,
        logits_BWV: Tensor,
        block: range,
        window: range,
        step: tuple[int, int],
        generator: torch.Generator,
    ) -> None:
        guess_BW = noisy(logits_BWV, self.temperature, generator).argmax(dim=-1)
        chance_BW = softmax(logits_BWV.double(), dim=-1).gather(-1, guess_BW[..., None]).squeeze(-1)
        masked_BW = canvas_BL[:, window.start : window.stop] == self.mask_id
        masked_BW[:, block.stop - window.start :] = False
        masked_BW[:, : block.start - window.start] = False
        chance_BW = chance_BW.where(masked_BW, -torch.inf)
        for row, masked in enumerate(masked_BW.sum(dim=1)):
            falling, order = chance_BW[row].sort(descending=True, stable=True)
            count = self._count(falling[: int(masked)].tolist(), *step)
            chosen = order[:count]
            if self.is_shifted and self.diffusion.cache is not None and step[1] == 0:  # Fast-dLLM's loop for Dream
                chosen = order.new_full((1,), block.start - window.start)
            canvas_BL[row, window.start + chosen] = guess_BW[row, chosen]

    def _count(self, falling: list[float], steps: int, forward: int) -> int:
        """How many open positions of a row are written, by their confidences in falling order and the block's steps."""
        policy = self.diffusion.policy
        if not falling:
            return 0
        if policy.name == PolicyName.delayed_threshold:
            written = self.diffusion.block_length - len(falling)
            looked = self.diffusion.block_length // steps * min(forward + 1, steps) - written
            falling = falling[:looked]
        if policy.threshold is not None:
            return max(1, sum(confidence >= policy.threshold for confidence in falling))
        if policy.factor is not None:
            return _by_factor(falling, policy, policy.factor)
        return transfers(self.diffusion.block_length, steps)[forward]


def _by_factor(falling: list[float], policy: Policy, factor: float) -> int:
    count = 1
    while count < len(falling) and falling[count] >= 1 - factor / (count + 2):
        count += 1
    ends_the_loop = policy.factor_rule is FactorRule.fast_dllm and count == len(falling) - 1
    return count + ends_the_loop
