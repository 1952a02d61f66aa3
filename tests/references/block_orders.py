"""The orders of Fast-dLLM v2 and of Nemotron-Labs-Diffusion as a reader would write them first: one row, plain lists.

Fast-dLLM v2's rule is `generate` in the modeling.py of its checkpoints, Nemotron's `generate` in its
modeling_nemotron_labs_diffusion.py; docs/policies.md says where both were read. What is kept of finished blocks never
changes, so that the second is computed anew each time. Of the first, `keeps_block` makes keys and values of one block
old, so that its layers are spelled out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tests.references.block_diffusion import WrittenBlocks
from tests.references.dream import turned

Chosen = Callable[[dict[int, float], int], list[int]]
"""From the confidences of masked positions and the number of the pass in its part, to those that are written."""


@dataclass(frozen=True, kw_only=True)
class OrderedSampling:
    """`part_length` are Fast-dLLM v2's sub-blocks; `keeps_block` its cache within a block.

    With a `text` its tokens are written in the place of the model's own.
    """

    output_tokens: int
    block_length: int
    chosen: Chosen
    part_length: int = 0
    keeps_block: bool = False
    text: tuple[int, ...] | None = None


def above(threshold: float) -> Chosen:
    """All more confident than that, and the most confident."""
    return lambda sure, _: [place for place in sure if sure[place] > threshold or place == max(sure, key=_by(sure))]


def in_steps(masks: int, steps: int) -> Chosen:
    """The most confident: an equal share of so many masks each time, one more at first."""
    each, extra = divmod(masks, steps)
    return lambda sure, forward: sorted(sure, key=_by(sure), reverse=True)[: each + (forward < extra)]


def fast_dllm_v2(model: Any, prompt: list[int], mask_id: int, sampling: OrderedSampling) -> WrittenBlocks:
    """The row's tokens, the pass that wrote each, and positions of each pass."""
    block_length, end = sampling.block_length, len(prompt) + sampling.output_tokens
    whole, total = len(prompt) // block_length * block_length, -(-end // block_length) * block_length
    canvas, layers = prompt + [mask_id] * (total - len(prompt)), _Layers(model)
    written = WrittenBlocks(at=[0] * (total + 1 - len(prompt)))
    last_V, put = torch.zeros(0), _writer(canvas, len(prompt), mask_id, sampling, written)
    for first in range(0, whole, block_length):
        last_V = layers.logits(canvas, range(first, first + block_length), first + block_length)[-1]
    if whole:
        written.computed.append(whole)
    for first in range(whole, total, block_length):
        block = range(first, first + block_length)
        if first and first >= len(prompt):
            put(first, last_V)
        is_kept = False
        for small in range(first, block.stop, sampling.part_length):
            part, forward = range(small, small + sampling.part_length), 0
            while masked := [place for place in part if canvas[place] == mask_id]:
                alone = sampling.keeps_block and is_kept and canvas[small] != mask_id
                window, is_kept = part if alone else block, True
                rows_WV = layers.logits(canvas, window, block.stop)
                written.computed.append(len(window))
                shifted_WV = torch.cat([rows_WV[:1], rows_WV[:-1]])
                seen = {place: shifted_WV[place - window.start] for place in masked}
                for place in sampling.chosen({place: _chance(row, mask_id) for place, row in seen.items()}, forward):
                    put(place, seen[place])
                forward += 1
        last_V = layers.logits(canvas, block, block.stop)[-1]
        written.computed.append(block_length)
    written.tokens, written.at = canvas[len(prompt) : end], written.at[: sampling.output_tokens]
    return written


def causal_context(model: Any, prompt: list[int], mask_id: int, sampling: OrderedSampling) -> WrittenBlocks:
    """The same of Nemotron's order."""
    canvas, block_length = list(prompt), sampling.block_length
    written = WrittenBlocks(computed=[len(prompt)])
    put = _writer(canvas, len(prompt), mask_id, sampling, written)
    while len(canvas) < len(prompt) + sampling.output_tokens:
        first = len(canvas)
        last_V = _logits(model, canvas, first)[-1]
        canvas += [mask_id] * block_length
        written.at += [0] * block_length
        put(first, last_V)
        forward = 0
        while masked := [place for place in range(first, len(canvas)) if canvas[place] == mask_id]:
            rows_LV = _logits(model, canvas, first)
            written.computed.append(block_length)
            for place in sampling.chosen({place: _chance(rows_LV[place], mask_id) for place in masked}, forward):
                put(place, rows_LV[place])
            forward += 1
        written.computed.append(block_length)
    written.tokens = canvas[len(prompt) : len(prompt) + sampling.output_tokens]
    written.at = written.at[: sampling.output_tokens]
    return written


class _Layers:
    """A Qwen2 over one row, with every position's keys and values as its last pass left them."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.kept: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def logits(self, canvas: list[int], window: range, seen: int) -> Tensor:
        """Of a window, whose positions all see the first `seen` of the canvas."""
        body = self.model.model
        x_WD = body.embed_tokens(torch.tensor(canvas[window.start : window.stop]))
        rotation = body.rotary_emb(x_WD[None], torch.tensor([list(window)]))
        for number, layer in enumerate(body.layers):
            attended_WD = self._attend(number, layer.self_attn, layer.input_layernorm(x_WD), rotation, window, seen)
            x_WD = x_WD + layer.self_attn.o_proj(attended_WD)
            x_WD = x_WD + layer.mlp(layer.post_attention_layernorm(x_WD))
        rows_WV: Tensor = self.model.lm_head(body.norm(x_WD)).float()
        return rows_WV

    def _attend(
        self, number: int, attention: Any, x_WD: Tensor, rotation: tuple[Tensor, Tensor], window: range, seen: int
    ) -> Tensor:
        q, k, v = (
            projection(x_WD).view(1, len(window), -1, attention.head_dim).transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = turned(q, rotation), turned(k, rotation)
        for index, place in enumerate(window):
            self.kept[number, place] = (k[0, :, index], v[0, :, index])
        keys_SGd = torch.stack([self.kept[number, place][0] for place in range(seen)])
        values_SGd = torch.stack([self.kept[number, place][1] for place in range(seen)])
        heads = []
        for head in range(q.shape[1]):
            shared = head // (q.shape[1] // k.shape[1])
            weights_WS = (q[0, head] @ keys_SGd[:, shared].T * attention.head_dim**-0.5).softmax(dim=-1)
            heads.append(weights_WS @ values_SGd[:, shared])
        return torch.cat(heads, dim=-1)


@torch.no_grad()
def _logits(model: Any, canvas: list[int], first: int) -> Tensor:
    """Of all positions: those before `first` see nothing behind themselves, the others see everything."""
    place_L = torch.arange(len(canvas))
    hidden_LL = (place_L[None] > place_L[:, None]) & (place_L < first)[:, None]
    mask_11LL = torch.zeros(hidden_LL.shape).masked_fill(hidden_LL, -torch.inf)[None, None]
    rows_LV: Tensor = model(torch.tensor([canvas]), attention_mask=mask_11LL, use_cache=False).logits[0].float()
    return rows_LV


def _writer(
    canvas: list[int], prompt: int, mask_id: int, sampling: OrderedSampling, written: WrittenBlocks
) -> Callable[[int, Tensor], None]:
    """Writes the token of a place, given its logits."""

    def put(place: int, row_V: Tensor) -> None:
        token = _token(row_V, mask_id) if sampling.text is None else sampling.text[place - prompt]
        allowed_V = row_V.double()
        allowed_V[mask_id] = -torch.inf
        written.nats -= float(allowed_V.log_softmax(dim=-1)[token])
        written.at[place - prompt] = len(written.computed)
        canvas[place] = token

    return put


def _token(row_V: Tensor, mask_id: int) -> int:
    allowed_V = row_V.clone()
    allowed_V[mask_id] = -torch.inf
    return int(allowed_V.argmax())


def _chance(row_V: Tensor, mask_id: int) -> float:
    return float(row_V.softmax(dim=-1)[_token(row_V, mask_id)])


def _by(sure: dict[int, float]) -> Callable[[int], tuple[float, int]]:
    return lambda place: (sure[place], -place)
