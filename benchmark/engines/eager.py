"""The plain modules of transformers, called one after another.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, M positions of a canvas, D hidden.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache

from benchmark.engines.attention import Kernel
from benchmark.engines.attention_adapter import pinned
from benchmark.engines.noise import cells
from benchmark.engines.positions import rotary_positions
from benchmark.engines.sampling import Head
from benchmark.models.loading import LanguageModel


@dataclass(frozen=True)
class EagerCanvas:
    """See CanvasPasses."""

    model: LanguageModel
    kernel: Kernel

    def prepare(self, rows: int, prompt_tokens: int, output_tokens: int, *, padded: bool) -> float:
        """See CanvasPasses: there is nothing to do."""
        return 0.0

    def hidden(self, tokens_BL: Tensor, padding_BL: Tensor | None, positions_BM: Tensor) -> Tensor:
        """See CanvasPasses."""
        unpadded = {}
        if padding_BL is not None:
            unpadded = {"attention_mask": (~padding_BL).long(), "position_ids": rotary_positions(padding_BL)}
        with pinned(self.kernel, padded=padding_BL is not None):
            hidden_BLD: Tensor = self.model.body(input_ids=tokens_BL, use_cache=False, **unpadded).last_hidden_state
        return hidden_BLD.gather(1, positions_BM[..., None].expand(-1, -1, hidden_BLD.shape[-1]))


@dataclass
class EagerCausal:
    """See CausalPasses. The cache grows with every token."""

    model: LanguageModel
    kernel: Kernel
    head: Head
    _cache: DynamicCache = field(default_factory=DynamicCache, init=False)
    _inputs: Tensor = field(init=False)
    _padding: Tensor | None = field(init=False)
    _streams: Tensor = field(init=False)
    _written: list[Tensor] = field(default_factory=list, init=False)

    def prepare(self, rows: int, prompt_tokens: int, output_tokens: int, *, padded: bool) -> float:
        """See CausalPasses: there is nothing to do."""
        return 0.0

    def begin(self, tokens_BP: Tensor, padding_BP: Tensor | None, streams_B: Tensor, output_tokens: int) -> None:
        """See CausalPasses."""
        self._inputs, self._padding, self._streams = tokens_BP, padding_BP, streams_B
        self._cache, self._written = DynamicCache(), []

    def advance(self) -> None:
        """See CausalPasses."""
        hidden_B1D = self._last_hidden()
        position_B1 = torch.full_like(self._streams, len(self._written))[:, None]
        self._inputs = self.head.choose(hidden_B1D, cells(self._streams, 0, position_B1)).tokens_BM
        self._written.append(self._inputs)
        if self._padding is not None:
            self._padding = torch.nn.functional.pad(self._padding, (0, 1))

    def written(self) -> Tensor:
        """See CausalPasses."""
        return torch.cat(self._written, dim=1)

    def _last_hidden(self) -> Tensor:
        unpadded = {}
        if self._padding is not None:
            unpadded = {
                "attention_mask": (~self._padding).long(),
                "position_ids": rotary_positions(self._padding)[:, -self._inputs.shape[1] :],
            }
        with pinned(self.kernel, padded=self._padding is not None):
            output = self.model.body(input_ids=self._inputs, past_key_values=self._cache, use_cache=True, **unpadded)
        hidden_B1D: Tensor = output.last_hidden_state[:, -1:]
        return hidden_B1D
