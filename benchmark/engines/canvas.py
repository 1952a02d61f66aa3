"""Compiled passes over a canvas: tokens go into a fixed place, hidden states come out of another.

Dimensions: B rows, R rows of a part, L tokens, M places, D hidden.
"""

import gc
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.engines.compiled import Captured, CompiledBody, capture, part_rows
from benchmark.engines.positions import positions


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What a captured pass is good for."""

    rows: int
    length: int
    padded: bool


class _Pass:
    """One captured pass over a part of a batch."""

    def __init__(self, body: CompiledBody, shape: _Shape) -> None:
        device = body.model.device
        self.tokens_RL = torch.zeros(shape.rows, shape.length, dtype=torch.long, device=device)
        self.padding_RL = torch.zeros_like(self.tokens_RL, dtype=torch.bool) if shape.padded else None
        self.hidden_RLD: Tensor
        self._body = body
        self._rotation = body.rotation(torch.arange(shape.length, device=device)[None])
        self.captured: Captured = capture(self._work, device)

    def _work(self) -> None:
        rotation, mask_RLL = self._rotation, None
        if self.padding_RL is not None:
            rotation = self._body.rotation(positions(self.padding_RL))
            mask_RLL = (~self.padding_RL)[:, None].expand(-1, self.tokens_RL.shape[1], -1)
        self.hidden_RLD = self._body.canvas(self.tokens_RL, rotation, mask_RLL)


class CompiledCanvas:
    """See CanvasPasses. The pass of the last shape is kept; what was compiled for others stays compiled."""

    def __init__(self, body: CompiledBody) -> None:
        self.body = body
        self._shape: _Shape | None = None
        self._pass: _Pass | None = None

    @torch.inference_mode()
    def prepare(self, rows: int, length: int, *, padded: bool) -> float:
        """See CanvasPasses."""
        return self._ready(rows, length, padded=padded).captured.seconds

    def hidden(self, tokens_BL: Tensor, padding_BL: Tensor | None, places_BM: Tensor) -> Tensor:
        """See CanvasPasses."""
        one = self._ready(*tokens_BL.shape, padded=padding_BL is not None)
        parts = []
        for start in range(0, len(tokens_BL), len(one.tokens_RL)):
            rows = slice(start, start + len(one.tokens_RL))
            one.tokens_RL.copy_(tokens_BL[rows])
            if padding_BL is not None and one.padding_RL is not None:
                one.padding_RL.copy_(padding_BL[rows])
            one.captured.replay()
            parts.append(_pick(one.hidden_RLD, places_BM[rows]))
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _ready(self, rows: int, length: int, *, padded: bool) -> _Pass:
        shape = _Shape(rows=part_rows(rows, length), length=length, padded=padded)
        if self._pass is None or self._shape != shape:
            self._pass = None
            gc.collect()  # its graph's memory is free before the next takes its own
            self._pass, self._shape = _Pass(self.body, shape), shape
        return self._pass


def _pick(hidden_RLD: Tensor, places_RM: Tensor) -> Tensor:
    """Hidden states at some places of each row, [R, M, D]."""
    rows, length, _ = hidden_RLD.shape
    first_R1 = torch.arange(0, rows * length, length, device=places_RM.device)[:, None]
    return hidden_RLD.flatten(0, 1).index_select(0, (places_RM + first_R1).flatten()).unflatten(0, places_RM.shape)
