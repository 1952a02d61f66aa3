"""Compiled passes over a canvas: tokens go into one fixed buffer, hidden states come out of another.

Without kept keys and values one captured pass serves all parts of a batch. With them each part has its own, since a
part's keys and values have memory of their own; all share one memory for what is gone after a pass. A pass over a
window is captured once for each width: where the window lies is on the device, so that every block has the same pass.

Dimensions: B rows, R rows of a part, L tokens of a canvas, W of a window, M positions, D hidden.
"""

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.engines.compiled.body import CompiledBody, Shape, Underneath, part_rows
from benchmark.engines.compiled.graphs import Captured, GraphPool, capture
from benchmark.engines.compiled.layer import Kept
from benchmark.engines.compiled.view import View
from benchmark.engines.interface import first_block
from benchmark.engines.positions import rotary_positions


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Rows of a batch that pass together, the positions of each that do, and where their keys and values are kept."""

    rows: int
    width: int
    length: int
    padded: bool
    kept: Kept | None
    block_length: int | None
    first_block: int = 0
    is_causal: bool = False

    @property
    def is_in_one_block(self) -> bool:
        """Whether all queries see the same keys: those up to the end of their one block."""
        return not self.padded and not self.is_causal and self.width <= (self.block_length or 0)

    def until(self, positions_W: Tensor) -> Tensor:
        """The number of those keys, for each row (int32)."""
        assert self.block_length is not None
        block_1 = (positions_W[-1:] - self.first_block) // self.block_length
        until_1 = (block_1 + 1) * self.block_length + self.first_block
        return until_1.clamp(max=self.length).int().repeat(self.rows)


class _Pass:
    """One captured pass over a part of a batch, up to the last layer, which is read at the positions asked for."""

    def __init__(self, body: CompiledBody, part: _Part, pool: GraphPool | None) -> None:
        device = body.model.device
        self.part = part
        self._tokens_RW = torch.zeros(part.rows, part.width, dtype=torch.long, device=device)
        self._padding_RL = self._tokens_RW.new_zeros(part.rows, part.length).bool() if part.padded else None
        self._positions_W = torch.arange(part.width, device=device)
        self._body = body
        self._canvas_rotation = body.rotation(torch.arange(part.length, device=device)[None])
        self._rotation = self._canvas_rotation
        self._view = View(block_length=part.block_length, first_block=part.first_block, is_causal=part.is_causal)
        self._under: Underneath
        self._attention = None
        if part.kept is not None:
            self._attention = body.window_attention(part.width, part.kept, part.block_length, is_causal=part.is_causal)
        self.captured: Captured = capture(self._work, device, pool=pool)

    def _work(self) -> None:
        if self._padding_RL is not None:
            self._canvas_rotation = self._body.rotation(rotary_positions(self._padding_RL))
            self._view = replace(self._view, shown_R1L=(~self._padding_RL)[:, None])
        if self.part.kept is None or self._attention is None:
            self._rotation = self._canvas_rotation
            self._under = self._body.canvas(self._tokens_RW, self._rotation, self._view)
            return
        self._rotation = tuple(table.index_select(1, self._positions_W) for table in self._canvas_rotation)
        if self.part.is_in_one_block:
            self._view = replace(self._view, until_R=self.part.until(self._positions_W))
        self._under = self._body.window(
            self._tokens_RW, self._rotation, self._view, self.part.kept, self._positions_W, self._attention
        )

    @property
    def other_kernel(self) -> str | None:
        """See WindowAttention."""
        return None if self._attention is None else self._attention.other_kernel

    def hidden(self, tokens_RL: Tensor, padding_RL: Tensor | None, positions_RM: Tensor, window: range) -> Tensor:
        """Hidden states at some positions of the window, [R, M, D]."""
        self._tokens_RW.copy_(tokens_RL[:, window.start : window.stop])
        if self.part.width < self.part.length:
            torch.arange(window.start, window.stop, out=self._positions_W)
        if self._padding_RL is not None and padding_RL is not None:
            self._padding_RL.copy_(padding_RL)
        self.captured.replay()
        if not positions_RM.shape[1]:  # a pass that keeps keys and values alone
            return self._under.hidden_RLD.new_empty(*positions_RM.shape, self._under.hidden_RLD.shape[-1])
        return self._body.top(self._under, positions_RM, self._rotation, self._view, window.start)


class _Made(NamedTuple):
    """What passes are made for."""

    shape: Shape
    widths: Sequence[int]
    causal_widths: Sequence[int]
    block_length: int | None


class _Passes:
    """The captured passes of a shape, one for each part of the batch.

    They are found by the width of what they compute, and whether that is causal.
    """

    def __init__(self, body: CompiledBody, made: _Made) -> None:
        shape, widths, causal_widths, block_length = made
        keeps = bool(widths or causal_widths)
        pool = _graph_pool(body.model.device) if keeps else None
        kept = body.kept(shape.rows, shape.length) if keeps else None
        begins = first_block(shape.prompt_tokens, block_length, causal_widths)
        self.by_width: dict[tuple[int, bool], list[_Pass]] = {}
        both_ways = widths or (shape.length,)
        kinds = [*((width, False) for width in both_ways), *((width, True) for width in causal_widths)]
        for width, is_causal in kinds:
            rows = part_rows(shape.rows, width)
            slices = [slice(first, first + rows) for first in range(0, shape.rows, rows)]
            self.by_width[width, is_causal] = [
                _Pass(
                    body,
                    _Part(
                        rows=rows,
                        width=width,
                        length=shape.length,
                        padded=shape.padded,
                        kept=None if kept is None else kept.of_rows(row_slice),
                        block_length=block_length,
                        first_block=begins,
                        is_causal=is_causal,
                    ),
                    pool,
                )
                for row_slice in (slices if keeps else slices[:1])
            ]

    @property
    def other_kernels(self) -> tuple[str, ...]:
        """Attention kernels of windows that are not the run's own."""
        kernels = [each.other_kernel for passes in self.by_width.values() for each in passes]
        return tuple(sorted({name for name in kernels if name is not None}))

    @property
    def seconds(self) -> float:
        """What all of them took to make."""
        return sum(each.captured.seconds for passes in self.by_width.values() for each in passes)


class CompiledCanvas:
    """See CanvasPasses. The passes of the last shape are kept; what was compiled for others stays compiled."""

    def __init__(self, body: CompiledBody) -> None:
        self.body = body
        self._made: _Made | None = None
        self._passes: _Passes | None = None

    @torch.inference_mode()
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
        shape = Shape(rows=rows, prompt_tokens=prompt_tokens, output_tokens=output_tokens, padded=padded)
        made = _Made(shape, widths, causal_widths, block_length or self.body.model.architecture.block_length)
        if self._passes is None or self._made != made:
            self._passes = None
            gc.collect()  # frees its graphs' memory before the next passes take their own
            self._passes, self._made = _Passes(self.body, made), made
        return self._passes.seconds

    @property
    def window_kernels(self) -> tuple[str, ...]:
        """See CanvasPasses."""
        return () if self._passes is None else self._passes.other_kernels

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
        assert self._passes is not None
        window = computed or range(tokens_BL.shape[1])
        passes = self._passes.by_width[len(window), is_causal]
        each = passes[0].part.rows
        hidden = []
        for index, first in enumerate(range(0, len(tokens_BL), each)):
            rows = slice(first, first + each)
            padding_RL = None if padding_BL is None else padding_BL[rows]
            taken = passes[index % len(passes)]
            hidden.append(taken.hidden(tokens_BL[rows], padding_RL, positions_BM[rows], window))
        return hidden[0] if len(hidden) == 1 else torch.cat(hidden)


def _graph_pool(device: torch.device) -> GraphPool | None:
    """Memory for graphs that are never needed at once; None where there are no graphs."""
    return torch.cuda.graph_pool_handle() if device.type == "cuda" else None
