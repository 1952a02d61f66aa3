"""Dream's sampling, and Fast-dLLM's for it, as a reader would write them first: one row, plain lists, no batches.

The model is transformers' own module under a mask that hides nothing. Kept keys and values belong to its layers, so
those are spelled out.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from tests.paths import KNOWN_ANSWERS


@dataclass(frozen=True, kw_only=True)
class DreamSampling:
    """`alg` as Dream calls it, without temperatures."""

    alg: str
    output_tokens: int
    steps: int
    eps: float = 1e-3
    top_p: float | None = None
    top_k: int | None = None


@dataclass(frozen=True, kw_only=True)
class FastSampling:
    """Fast-dLLM's confidence threshold on Dream; `cache` is none, prefix or dual."""

    cache: str
    threshold: float
    output_tokens: int
    steps: int
    block_length: int


@dataclass
class DreamWritten:
    """Tokens, the forward pass after which each was written, and positions computed of all forward passes."""

    tokens: list[int]
    at: list[int]
    computed: list[int] = field(default_factory=list)


class PlainQwen:
    """A Qwen of full attention over one row, which remembers each position's keys and values in every layer."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def shifted(self, canvas: list[int], window: range) -> Tensor:
        """Logits of the window's positions: those that the model gives at the position before, where it computes it."""
        body = self.model.model
        x_1WD = body.embed_tokens(torch.tensor([canvas[window.start : window.stop]]))
        rotation = body.rotary_emb(x_1WD, torch.tensor([list(window)]))
        for number, layer in enumerate(body.layers):
            attended = self._attended(number, layer.self_attn, layer.input_layernorm(x_1WD), rotation, window, canvas)
            x_1WD = x_1WD + layer.self_attn.o_proj(attended)
            x_1WD = x_1WD + layer.mlp(layer.post_attention_layernorm(x_1WD))
        rows_WV: Tensor = self.model.lm_head(body.norm(x_1WD))[0].float()
        return torch.cat([rows_WV[:1], rows_WV[:-1]])

    def _attended(
        self,
        number: int,
        attention: Any,
        x_1WD: Tensor,
        rotation: tuple[Tensor, Tensor],
        window: range,
        canvas: list[int],
    ) -> Tensor:
        split = (1, len(window), -1, attention.head_dim)
        q, k, v = (
            projection(x_1WD).view(split).transpose(1, 2)
            for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = (turned(each, rotation) for each in (q, k))
        if len(window) == len(canvas):
            self.kept[number] = (k.clone(), v.clone())
        keys, values = self.kept[number]
        keys[:, :, window.start : window.stop] = k
        values[:, :, window.start : window.stop] = v
        shared = q.shape[1] // k.shape[1]
        out = scaled_dot_product_attention(
            q, keys.repeat_interleave(shared, dim=1), values.repeat_interleave(shared, dim=1)
        )
        return out.transpose(1, 2).flatten(2)


def dream(model: Any, prompt: list[int], mask_id: int, sampling: DreamSampling) -> DreamWritten:
    """Dream's own loop: no blocks, the whole canvas each time, the schedule in float32."""
    transformer, length = PlainQwen(model), len(prompt) + sampling.output_tokens
    canvas = prompt + [mask_id] * sampling.output_tokens
    written = DreamWritten([], [0] * sampling.output_tokens)
    times = torch.linspace(1, sampling.eps, sampling.steps + 1)
    for step in range(sampling.steps):
        undecided = [place for place in range(len(prompt), length) if canvas[place] == mask_id]
        rows_LV = transformer.shifted(canvas, range(length))
        written.computed.append(length)
        count = len(undecided)
        if step < sampling.steps - 1:
            count = int(len(undecided) * (1 - times[step + 1] / times[step]))
        rows_LV = _cut(rows_LV, sampling)
        scores, tokens = _scores(rows_LV, sampling.alg), _tokens(rows_LV, mask_id)
        for place in sorted(undecided, key=lambda place: (-scores[place], place))[:count]:
            canvas[place] = tokens[place]
            written.at[place - len(prompt)] = step + 1
    written.tokens = canvas[len(prompt) :]
    return written


def fast_dllm(model: Any, prompt: list[int], mask_id: int, sampling: FastSampling) -> DreamWritten:
    """Fast-dLLM's loops for Dream: without a cache the threshold only delays, with one a block begins at its first."""
    transformer, length = PlainQwen(model), len(prompt) + sampling.output_tokens
    canvas = prompt + [mask_id] * sampling.output_tokens
    written = DreamWritten([], [0] * sampling.output_tokens)
    each, carried = sampling.output_tokens // sampling.steps, 0
    block_length = sampling.output_tokens if sampling.cache == "none" else sampling.block_length
    for first in range(len(prompt), length, block_length):
        block, forward = range(first, first + block_length), 0
        while undecided := [place for place in block if canvas[place] == mask_id]:
            window = _window(sampling.cache, length, block, forward)
            rows_WV = transformer.shifted(canvas, window)
            written.computed.append(len(window))
            chances, tokens = rows_WV.softmax(dim=-1), _tokens(rows_WV, mask_id)
            sure = {place: float(chances[place - window.start, tokens[place - window.start]]) for place in undecided}
            looked = sorted(undecided, key=lambda place: (-sure[place], place))
            if sampling.cache == "none":
                looked = looked[: (each if forward < sampling.steps else 0) + carried]
            chosen = [place for rank, place in enumerate(looked) if rank == 0 or sure[place] >= sampling.threshold]
            carried = len(looked) - len(chosen)
            if sampling.cache != "none" and forward == 0:
                chosen = [first]
            for place in chosen:
                canvas[place] = tokens[place - window.start]
                written.at[place - len(prompt)] = len(written.computed)
            forward += 1
    written.tokens = canvas[len(prompt) :]
    return written


def plain_model(folder: str, kind: str) -> tuple[Any, int]:
    """A known checkpoint in transformers' own modules of that kind, and its mask."""
    settings = json.loads((KNOWN_ANSWERS / folder / "config.json").read_text())
    mask_id = settings["mask_token_id"]
    for unused in ("auto_map", "architectures", "model_type", "rope_scaling"):
        del settings[unused]
    settings["rope_parameters"] = {"rope_type": "default", "rope_theta": settings.pop("rope_theta")}
    config = getattr(transformers, f"{kind}Config")(**settings, attn_implementation="eager")
    model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    model.load_state_dict(load_file(KNOWN_ANSWERS / folder / "model.safetensors"))
    return model, mask_id


def _window(cache: str, length: int, block: range, forward: int) -> range:
    if cache == "none" or forward == 0:
        return range(length)
    return range(block.start, length) if cache == "prefix" else block


def _cut(rows_LV: Tensor, sampling: DreamSampling) -> Tensor:
    """The logits, the lowest number outside of top_p and top_k."""
    lowest = torch.finfo(rows_LV.dtype).min
    if sampling.top_p is not None:
        falling_LV, order_LV = rows_LV.sort(dim=-1, descending=True)
        over_LV = falling_LV.softmax(dim=-1).cumsum(dim=-1) > sampling.top_p
        out_LV = torch.cat([torch.zeros_like(over_LV[:, :1]), over_LV[:, :-1]], dim=-1)
        rows_LV = rows_LV.masked_fill(torch.zeros_like(out_LV).scatter(-1, order_LV, out_LV), lowest)
    if sampling.top_k is not None:
        least_L1 = rows_LV.topk(sampling.top_k, dim=-1).values[:, -1:]
        rows_LV = rows_LV.masked_fill(rows_LV < least_L1, lowest)
    return rows_LV


def _scores(rows_LV: Tensor, alg: str) -> list[float]:
    chances_LV = rows_LV.softmax(dim=-1)
    first_L, second_L = chances_LV.topk(2, dim=-1).values.unbind(dim=-1)
    found: list[float]
    match alg:
        case "maskgit_plus":
            found = first_L.tolist()
        case "topk_margin":
            found = (first_L - second_L).tolist()
        case _:
            found = (chances_LV * (chances_LV + 1e-10).log()).sum(dim=-1).tolist()
    return found


def _tokens(rows_LV: Tensor, mask_id: int) -> list[int]:
    allowed_LV = rows_LV.clone()
    allowed_LV[:, mask_id] = -torch.inf
    tokens: list[int] = allowed_LV.argmax(dim=-1).tolist()
    return tokens


def turned(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = (table[:, None] for table in rotation)
    first, second = x.chunk(2, dim=-1)
    turned: Tensor = x * cos + torch.cat([-second, first], dim=-1) * sin
    return turned
