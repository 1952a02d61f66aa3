"""The published loops of block diffusion on the plain modules.

A port of generate.py of JetAstra/SDAR, commit c2041a83, and of LLaDA2's own loop, which keeps nothing: logits at every
position that a forward pass computes, a softmax of all of them, the rows' choices one after another on the host, and
the host's waiting for the device at every step.

Dimensions: B rows, L tokens of the canvas, W of a window, M positions of a block, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softmax

from benchmark.decoders.blocks.canvas import BlockCanvas, block_canvas, block_layout
from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.decoders.published.loop import PublishedLoop, noisy
from benchmark.decoders.schedule import Forward, transfers
from benchmark.engines.attention_adapter import pinned
from benchmark.engines.eager import visible_in_blocks
from benchmark.engines.kept_keys import KeptKeys
from benchmark.engines.positions import rotary_positions
from crossover.records.policies import PolicyName


@dataclass(frozen=True, kw_only=True)
class PublishedBlockDecoder(PublishedLoop):
    """Static, sequential or dynamic, with the exact cache or none."""

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate `output_tokens` tokens a row."""
        layout = block_layout(batch, output_tokens, self.diffusion.block_length)
        canvas = block_canvas(batch, layout, self.mask_id)
        kept = KeptKeys(self.model.config.num_hidden_layers, layout.length)
        keeps = self.diffusion.cache is not None
        generator = self.generator()
        shares = transfers(
            self.diffusion.block_length,
            self.diffusion.steps // (output_tokens // self.diffusion.block_length),
        )
        if keeps and layout.whole:
            self._logits(canvas, range(layout.whole), kept)
            phases.mark(Phase.step)
        for block in layout.blocks:
            for share in shares:
                masked_BM = self._masked(canvas, block)
                if not masked_BM.any():
                    break
                logits_BWV = self._logits(canvas, block if keeps else range(block.stop), kept)
                self._write(canvas, block, masked_BM, logits_BWV[:, -len(block) :], share, generator)
                phases.mark(Phase.step)
            if keeps:
                self._logits(canvas, block, kept)
                phases.mark(Phase.step)
        prompt_tokens = batch.tokens_BP.shape[1]
        return Generation(
            tokens_BN=canvas.output(canvas.tokens_BL),
            forward_passes=len(canvas.forwards),
            prompts_BP=canvas.tokens_BL[:, :prompt_tokens] if batch.padding_BP is None else None,
            forwards=tuple(canvas.forwards),
            written_at_BN=canvas.output(canvas.written_at_BL),
        )

    def _masked(self, canvas: BlockCanvas, block: range) -> Tensor:
        tokens_BM = canvas.tokens_BL[:, block.start : block.stop]
        masked_BM: Tensor = (tokens_BM == self.mask_id) & canvas.own(canvas.positions(block))
        return masked_BM

    def _logits(self, canvas: BlockCanvas, window: range, kept: KeptKeys) -> Tensor:
        tokens_BL, padding_BL = canvas.tokens_BL, canvas.padding_BL
        kept.window = window
        positions_BL = rotary_positions(torch.zeros_like(tokens_BL[:1], dtype=torch.bool))
        if padding_BL is not None:
            positions_BL = rotary_positions(padding_BL)
        rows = len(tokens_BL)
        canvas.forwards.append(Forward(rows=rows, computed=len(window), read=len(window), seen=window.stop))
        with pinned(self.kernel, padded=True):
            logits_BWV: Tensor = self.model(
                tokens_BL[:, window.start : window.stop],
                attention_mask=visible_in_blocks(window, tokens_BL, padding_BL, self.diffusion.block_length),
                position_ids=positions_BL[:, window.start : window.stop],
                past_key_values=kept,
                use_cache=False,
            ).logits
        return self.aligned(logits_BWV)

    def _write(
        self,
        canvas: BlockCanvas,
        block: range,
        masked_BM: Tensor,
        logits_BMV: Tensor,
        share: int,
        generator: torch.Generator,
    ) -> None:
        guess_BM = noisy(logits_BMV, self.temperature, generator).argmax(dim=-1)
        chance_BM = softmax(logits_BMV.float(), dim=-1).gather(-1, guess_BM[..., None]).squeeze(-1)
        chance_BM = chance_BM.where(masked_BM, -torch.inf)
        for row, masked in enumerate(masked_BM.sum(dim=1).tolist()):
            chosen = self._chosen(chance_BM[row], masked_BM[row], min(share, masked))
            canvas.tokens_BL[row, block.start + chosen] = guess_BM[row, chosen]
            canvas.written_at_BL[row, block.start + chosen] = len(canvas.forwards)

    def _chosen(self, chance_M: Tensor, masked_M: Tensor, share: int) -> Tensor:
        """The positions of a row that are written, as places in the block."""
        policy = self.diffusion.policy
        if policy.name == PolicyName.sequential:
            return masked_M.nonzero()[:share, 0]
        if policy.threshold is not None:
            above = (chance_M > policy.threshold).nonzero()[:, 0]
            if len(above) >= share:
                return above
        return chance_M.sort(descending=True, stable=True).indices[:share]
