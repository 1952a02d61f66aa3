"""transformers' generate on the plain modules.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.engines.attention import Kernel
from benchmark.engines.attention_adapter import pinned
from benchmark.models.modules import CausalModel


class _Marker(StoppingCriteria):
    """Never stops a generation, and marks every token of it."""

    def __init__(self, phases: Phases) -> None:
        self._phases = phases
        self._next = Phase.prefill

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        del scores
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
        del batch, output_tokens
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
