"""The plain modules of transformers, called one after another.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, M positions of a canvas, W of a window,
D hidden.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from benchmark.engines.attention import Kernel
from benchmark.engines.attention_adapter import pinned
from benchmark.engines.interface import first_block
from benchmark.engines.kept_keys import KeptKeys
from benchmark.engines.positions import rotary_positions
from benchmark.engines.sampling.head import Head
from benchmark.engines.sampling.noise import cells
from benchmark.models.loading import LanguageModel
from benchmark.models.modules import block_causal


@dataclass
class EagerCanvas:
    """See CanvasPasses."""

    model: LanguageModel
    kernel: Kernel
    _kept: KeptKeys | None = field(default=None, init=False)
    _block_length: int | None = field(default=None, init=False)
    _first_block: int = field(default=0, init=False)

    def prepare(
        self,
        rows: int,
        prompt_tokens: int,
        output_tokens: int,
        *,
        padded: bool,
        widths: Sequence[int] = (),
        block_length: int | None = None,
        causal_widths: Sequence[int] = (),
    ) -> float:
        """See CanvasPasses."""
        self._kept, self._block_length = None, block_length
        self._first_block = first_block(prompt_tokens, block_length, causal_widths)
        if widths or causal_widths:
            self._kept = KeptKeys(self.model.architecture.layers, prompt_tokens + output_tokens)
        return 0.0

    @property
    def window_kernels(self) -> tuple[str, ...]:
        """See CanvasPasses: the named kernel computes all."""
        return ()

    def hidden(
        self,
        tokens_BL: Tensor,
        padding_BL: Tensor | None,
        positions_BM: Tensor,
        computed: range | None = None,
        *,
        is_causal: bool = False,
    ) -> Tensor:
        """See CanvasPasses."""
        window = computed or range(tokens_BL.shape[1])
        inputs: dict[str, Any] = {"input_ids": tokens_BL[:, window.start : window.stop], "use_cache": False}
        if self._kept is not None:
            self._kept.window = window
            inputs |= {"past_key_values": self._kept, "position_ids": _positions(window, tokens_BL.device)}
        if padding_BL is not None:
            positions_BL = rotary_positions(padding_BL)[:, window.start : window.stop]
            inputs |= {"attention_mask": (~padding_BL).long(), "position_ids": positions_BL}
        if self._block_length is not None:
            length, first = (1, 0) if is_causal else (self._block_length, self._first_block)
            inputs["attention_mask"] = visible_in_blocks(window, tokens_BL, padding_BL, length, first)
        with pinned(self.kernel, padded=padding_BL is not None or self.model.attends_in_blocks):
            hidden_BWD: Tensor = self.model.body(**inputs).last_hidden_state
        places_BM = positions_BM - window.start
        return hidden_BWD.gather(1, places_BM[..., None].expand(-1, -1, hidden_BWD.shape[-1]))


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

    def leave_out(self, tokens: int) -> None:
        """See CausalPasses. One pass reads the last token so many times, since the cache has to grow."""
        self._inputs = self._inputs.expand(-1, tokens)
        if self._padding is not None:
            self._padding = torch.nn.functional.pad(self._padding, (0, tokens - 1))
        self.advance()
        self._written[-1] = self._inputs.expand(-1, tokens)

    def repeat(self) -> None:
        """See CausalPasses."""
        self._last_hidden()
        self._cache.crop(-self._inputs.shape[1])

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


def visible_in_blocks(
    window: range, tokens_BL: Tensor, padding_BL: Tensor | None, block_length: int, first_block: int = 0
) -> Tensor:
    """Which positions of the canvas those of a window may see, [B or 1, 1, W, L]; padding sees itself."""
    keys_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
    queries_W = keys_L[window.start : window.stop]
    visible_WL = block_causal(queries_W, keys_L, block_length, first_block)
    if padding_BL is None:
        return visible_WL[None, None]
    own_WL = queries_W[:, None] == keys_L
    visible_B1WL: Tensor = visible_WL & ~padding_BL[:, None, None] | own_WL
    return visible_B1WL


def _positions(window: range, device: torch.device) -> Tensor:
    return torch.arange(window.start, window.stop, device=device)[None]
