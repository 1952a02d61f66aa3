"""Autoregressive decoding with a key-value cache: one prefill, then one token a forward pass.

Dimensions: B rows, P prompt tokens, N output tokens, D hidden.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from benchmark.decoders.choice import Head
from benchmark.decoders.interface import Batch, Generation, Phase, Phases, positions
from benchmark.decoders.noise import cells
from benchmark.models.loading import LanguageModel


@dataclass(frozen=True, kw_only=True)
class AutoregressiveDecoder:
    """Greedy at temperature 0, else samples from softmax(logits / temperature). It never stops early."""

    model: LanguageModel
    temperature: float

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens a row; an end-of-sequence token does not end a row."""
        head = Head(linear=self.model.head, temperature=self.temperature, forbidden_id=None)
        cache = DynamicCache()
        inputs, padding = batch.tokens_BP, batch.padding_BP
        written: list[Tensor] = []
        for position in range(output_tokens):
            hidden_B1D = self._last_hidden(inputs, padding, cache)
            place_B1 = torch.full_like(batch.streams_B, position)[:, None]
            inputs = head.choose(hidden_B1D, cells(batch.streams_B, 0, place_B1)).tokens_BM
            written.append(inputs)
            padding = None if padding is None else torch.nn.functional.pad(padding, (0, 1))
            phases.mark(Phase.step if position else Phase.prefill)
        return Generation(tokens_BN=torch.cat(written, dim=1), forward_passes=output_tokens, prompts_BP=batch.tokens_BP)

    def _last_hidden(self, tokens: Tensor, padding: Tensor | None, cache: DynamicCache) -> Tensor:
        unpadded = {}
        if padding is not None:
            unpadded = {
                "attention_mask": (~padding).long(),
                "position_ids": positions(padding)[:, -tokens.shape[1] :],
            }
        output = self.model.body(input_ids=tokens, past_key_values=cache, use_cache=True, **unpadded)
        hidden_B1D: Tensor = output.last_hidden_state[:, -1:]
        return hidden_B1D
