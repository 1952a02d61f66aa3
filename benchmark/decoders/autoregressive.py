"""Autoregressive decoding with a key-value cache: one prefill, then one token a forward pass."""

from dataclasses import dataclass

import torch

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.engines.interface import CausalPasses


@dataclass(frozen=True, kw_only=True)
class AutoregressiveDecoder:
    """Greedy at temperature 0, else samples from softmax(logits / temperature). It never stops early.

    `timed` are the forward passes after the prefill that are made, counted from 0; None makes all of them.
    """

    passes: CausalPasses
    timed: frozenset[int] | None = None

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder."""
        rows, prompt_tokens = batch.tokens_BP.shape
        return self.passes.prepare(rows, prompt_tokens, output_tokens, padded=batch.padding_BP is not None)

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens a row; an end-of-sequence token does not end a row."""
        self.passes.begin(batch.tokens_BP, batch.padding_BP, batch.streams_B, output_tokens)
        self.passes.advance()
        phases.mark(Phase.prefill)
        if self.timed:
            self._settle(phases)
        left_out = 0
        for step in range(output_tokens - 1):
            if self.timed is not None and step not in self.timed:
                left_out += 1
                continue
            if left_out:
                self.passes.leave_out(left_out)
                phases.mark(Phase.left_out)
                self._repeat(phases)
                left_out = 0
            self.passes.advance()
            phases.mark(Phase.step)
        made = output_tokens if self.timed is None else 1 + len(self.timed)
        return Generation(tokens_BN=self.passes.written(), forward_passes=made, prompts_BP=batch.tokens_BP)

    def _settle(self, phases: Phases) -> None:
        """Make the second token's forward pass, untimed, until the device works as it does in the midst of a run."""
        while not phases.is_settled():
            self._repeat(phases)
        self._repeat(phases)

    def _repeat(self, phases: Phases) -> None:
        """Make the next forward pass untimed: the device has work then while the host queues what is timed."""
        self.passes.repeat()
        phases.mark(Phase.settling)
