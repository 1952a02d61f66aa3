"""Compiled passes over a canvas: tokens go into one fixed buffer, hidden states come out of another.

Dimensions: B rows, R rows of a part, L tokens, M positions, D hidden.
"""

import gc

import torch
from torch import Tensor

from benchmark.engines.compiled import Captured, CompiledBody, Shape, Underneath, capture, part_rows
from benchmark.engines.positions import rotary_positions


class _Pass:
    """One captured pass over a part of a batch, up to the last layer, which is read at the positions asked for."""

    def __init__(self, body: CompiledBody, shape: Shape) -> None:
        device = body.model.device
        self.tokens_RL = torch.zeros(shape.rows, shape.length, dtype=torch.long, device=device)
        self.padding_RL = torch.zeros_like(self.tokens_RL, dtype=torch.bool) if shape.padded else None
        self._body = body
        self._rotation = body.rotation(torch.arange(shape.length, device=device)[None])
        self._mask_R1L: Tensor | None = None
        self._under: Underneath
        self.captured: Captured = capture(self._work, device)

    def _work(self) -> None:
        if self.padding_RL is not None:
            self._rotation = self._body.rotation(rotary_positions(self.padding_RL))
            self._mask_R1L = (~self.padding_RL)[:, None]
        self._under = self._body.canvas(self.tokens_RL, self._rotation, self._mask_R1L)

    def hidden(self, tokens_RL: Tensor, padding_RL: Tensor | None, positions_RM: Tensor) -> Tensor:
        """Hidden states at some positions, [R, M, D]."""
        self.tokens_RL.copy_(tokens_RL)
        if self.padding_RL is not None and padding_RL is not None:
            self.padding_RL.copy_(padding_RL)
        self.captured.replay()
        return self._body.top(self._under, positions_RM, self._rotation, self._mask_R1L)


class CompiledCanvas:
    """See CanvasPasses. The pass of the last shape is kept; what was compiled for others stays compiled."""

    def __init__(self, body: CompiledBody) -> None:
        self.body = body
        self._shape: Shape | None = None
        self._pass: _Pass | None = None

    @torch.inference_mode()
    def prepare(self, rows: int, prompt_tokens: int, output_tokens: int, *, padded: bool) -> float:
        """See CanvasPasses."""
        part = part_rows(rows, prompt_tokens + output_tokens)
        shape = Shape(rows=part, prompt_tokens=prompt_tokens, output_tokens=output_tokens, padded=padded)
        if self._pass is None or self._shape != shape:
            self._pass = None
            gc.collect()  # frees its graph's memory before the next pass takes its own
            self._pass, self._shape = _Pass(self.body, shape), shape
        return self._pass.captured.seconds

    def hidden(self, tokens_BL: Tensor, padding_BL: Tensor | None, positions_BM: Tensor) -> Tensor:
        """See CanvasPasses."""
        assert self._pass is not None
        each = len(self._pass.tokens_RL)
        parts = [slice(first, first + each) for first in range(0, len(tokens_BL), each)]
        hidden = [
            self._pass.hidden(tokens_BL[rows], None if padding_BL is None else padding_BL[rows], positions_BM[rows])
            for rows in parts
        ]
        return hidden[0] if len(hidden) == 1 else torch.cat(hidden)
