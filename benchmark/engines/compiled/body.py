"""Layers compiled once and reused for all, on static shapes; on a GPU, one CUDA graph a pass.

A diffusion step reads another number of positions each time. So the graph of a canvas ends below the last layer; `top`
computes the last layer after the graph, uncompiled.

A batch is computed in equal parts of whole rows, of about `PART_TOKENS` tokens each: matrix products are as
fast as on the whole batch, and activations take the memory of one part.

Dimensions: X layers, R rows of a part, B rows, L tokens, T of all rows, D hidden, S positions of a cache,
G key heads, d of a head, M positions of a row, W of a window.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding

from benchmark.engines.attention import Kernel, for_masks
from benchmark.engines.compiled.layer import (
    Cache,
    Finish,
    Kept,
    Rotation,
    Sizes,
    as_they_are,
    at,
    filled_up,
    first_rows,
    rotate,
    rotate_keys,
    rotation_at,
)
from benchmark.engines.compiled.packing import LayerWeights
from benchmark.engines.compiled.products import Products, compiled
from benchmark.engines.compiled.view import View
from benchmark.engines.compiled.windows import RotatedFirst, Seen, WindowAttention, window_attention_of
from benchmark.models.architecture import QueryScale
from benchmark.models.loading import LanguageModel

PART_TOKENS = 8192
"""Tokens of one part of a batch: enough for full-speed matrix products, few enough for small activations."""


class Underneath(NamedTuple):
    """The input of the last layer: hidden states, and the layer's keys and values of them."""

    hidden_RLD: Tensor
    keys_RLGd: Tensor
    values_RLGd: Tensor


class CompiledBody:
    """A model's layers, compiled; the weights are the model's own, fused."""

    def __init__(
        self, model: LanguageModel, layers: tuple[LayerWeights, ...], kernel: Kernel, products: Products
    ) -> None:
        self.model, architecture = model, model.architecture
        self.kernel = kernel
        self.layers = layers
        self.sizes = Sizes(
            heads=architecture.heads,
            key_heads=architecture.key_heads,
            head=architecture.head,
            epsilon=model.llama.config.rms_norm_eps,
        )
        self.masked_kernel = for_masks(kernel)
        self._products, self._uncompiled = products, products.uncompiled()
        self._rotate = compiled(partial(rotate, sizes=self.sizes))
        self._rotate_keys = compiled(partial(rotate_keys, sizes=self.sizes))
        self._rotate_into = products.rotate_into(self.sizes, kernel.arranged)
        self._rotate_among = products.rotate_into(self.sizes, as_they_are)

    def canvas(self, tokens_RL: Tensor, rotation: Rotation, view: View) -> Underneath:
        """All layers but the last, and the last one's keys and values."""
        x_TD, length = self._embed(tokens_RL), tokens_RL.shape[1]
        mask_RLL = view.mask(torch.arange(length, device=tokens_RL.device), length)
        kernel = self.kernel if view.block_length is None else self.masked_kernel
        for weights in self.layers[:-1]:

            def attend(qkv_RLE: Tensor, finish: Finish = weights.finish) -> Tensor:
                q, k, v = self._rotate(qkv_RLE, rotation, finish)
                return kernel.full(q, k, v, mask_RLL, causal=False)

            x_TD = self._layer(x_TD, weights, attend, tokens_RL.shape)
        return self._underneath(x_TD, rotation, tokens_RL.shape)

    def window(
        self,
        tokens_RW: Tensor,
        rotation: Rotation,
        view: View,
        kept: Kept,
        positions_W: Tensor,
        attention: WindowAttention,
    ) -> Underneath:
        """The same of the tokens at some positions of the canvas, which attend to the kept keys and values in view.

        Their own take their places there first. Positions lie on the device, so that one pass serves every block.
        """
        x_TD = self._embed(tokens_RW)
        seen = Seen(view.mask(positions_W, kept.keys_XRLGd.shape[2]), view.until_R)
        *below, (last_keys_RLGd, last_values_RLGd) = kept.by_layer
        for weights, kept_RLGd in zip(self.layers[:-1], below, strict=True):

            def attend(qkv_RWE: Tensor, kept_RLGd: Cache = kept_RLGd, finish: Finish = weights.finish) -> Tensor:
                return attention(qkv_RWE, finish, rotation, kept_RLGd, positions_W, seen)

            x_TD = self._layer(x_TD, weights, attend, tokens_RW.shape)
        under = self._underneath(x_TD, rotation, tokens_RW.shape)
        last_keys_RLGd.index_copy_(1, positions_W, under.keys_RLGd)
        last_values_RLGd.index_copy_(1, positions_W, under.values_RLGd)
        return Underneath(under.hidden_RLD, last_keys_RLGd, last_values_RLGd)

    def window_attention(
        self, window: int, kept: Kept, block_length: int | None, *, is_causal: bool = False
    ) -> WindowAttention:
        """How windows of so many tokens attend to kept keys; a whole canvas does by the run's own kernel."""
        length = kept.keys_XRLGd.shape[2]
        if window == length or self._scale(length) is not None or is_causal or (block_length or window) < window:
            kernel = self.kernel if block_length is None else self.masked_kernel
            return RotatedFirst(kernel, self._rotate_among)
        if window < (block_length or window):  # it sees keys behind itself, up to its block's end
            return RotatedFirst(self.kernel, self._rotate_among)
        return window_attention_of(
            self.kernel,
            self._rotate_among,
            self.sizes,
            window,
            kept.keys_XRLGd,
            in_blocks=block_length is not None,
        )

    def kept(self, rows: int, length: int) -> Kept:
        """Memory for the keys and values of whole canvases."""
        shape = (len(self.layers), rows, length, self.sizes.key_heads, self.sizes.head)
        weight = self.model.llama.lm_head.weight
        return Kept(weight.new_zeros(shape), weight.new_zeros(shape))

    def top(
        self, under: Underneath, positions_RM: Tensor, rotation: Rotation, view: View, first_position: int = 0
    ) -> Tensor:
        """The last layer and norm at some positions alone, [R, M, D]. How many may change from call to call.

        The input and its rotation begin at `first_position` of the canvas.
        """
        weights, products, queries = self.layers[-1], self._uncompiled, slice(self.sizes.queries)
        places_RM = positions_RM - first_position
        x_RMD = at(under.hidden_RLD, places_RM)
        q_RME = products.normed(x_RMD, weights.input_norm, weights.qkv[queries])
        at_places, finish = rotation_at(rotation, places_RM), weights.finish.part(queries)
        q = products.rotate_queries(q_RME, at_places, finish, self.sizes)
        keys = under.keys_RLGd, under.values_RLGd
        if view.until_R is not None:
            attended = self.kernel.seen(q, *keys, view.until_R, None)
        else:
            kernel = self.kernel if view.block_length is None else self.masked_kernel
            attended = kernel.full(q, *keys, view.mask(positions_RM, keys[0].shape[1]), causal=False)
        return products.norm(_after_attention(attended, x_RMD, weights, products), self._last_norm)

    def prefill(
        self, tokens_RL: Tensor, rotation: Rotation, mask_RLL: Tensor | None, cache_XRSGd: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Hidden states of the last token, [R, 1, D]; keys and values fill the first L positions of the cache.

        A mask has to hide later tokens besides padding; without one they are hidden here.
        """
        length, x_TD = tokens_RL.shape[1], self._embed(tokens_RL)
        *cache_below, (last_keys_RSGd, last_values_RSGd) = zip(*cache_XRSGd, strict=True)
        for weights, (keys_RSGd, values_RSGd) in zip(self.layers[:-1], cache_below, strict=True):

            def attend(
                qkv_RLE: Tensor,
                keys: Tensor = keys_RSGd,
                values: Tensor = values_RSGd,
                finish: Finish = weights.finish,
            ) -> Tensor:
                q, k, v = self._rotate(qkv_RLE, rotation, finish)
                keys[:, :length] = k
                values[:, :length] = v
                return self.kernel.full(q, k, v, mask_RLL, causal=mask_RLL is None)

            x_TD = self._layer(x_TD, weights, attend, tokens_RL.shape)
        under = self._underneath(x_TD, rotation, tokens_RL.shape)
        last_keys_RSGd[:, :length] = under.keys_RLGd
        last_values_RSGd[:, :length] = under.values_RLGd
        last_R1 = tokens_RL.new_full((len(tokens_RL), 1), length - 1)
        return self.top(under, last_R1, rotation, View(None if mask_RLL is None else mask_RLL[:, -1:]))

    def step(
        self,
        tokens_B1: Tensor,
        rotation: Rotation,
        seen_B: Tensor,
        mask_B1S: Tensor | None,
        cache_XBSGd: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Hidden states of one new token, [B, 1, D], which becomes the last of the `seen_B` in the cache."""
        x_TD, position_1 = self._embed(tokens_B1), seen_B[:1].long() - 1
        for weights, keys_BSGd, values_BSGd in zip(self.layers, *cache_XBSGd, strict=True):

            def attend(
                qkv_B1E: Tensor,
                keys: Tensor = keys_BSGd,
                values: Tensor = values_BSGd,
                finish: Finish = weights.finish,
            ) -> Tensor:
                q_BQHd = self._rotate_into(qkv_B1E, rotation, (keys, values), position_1, finish)
                return self.kernel.cached(q_BQHd, keys, values, seen_B, mask_B1S)

            x_TD = self._layer(x_TD, weights, attend, tokens_B1.shape)
        return self._products.norm(first_rows(x_TD, tokens_B1.shape), self._last_norm)

    def rotation(self, positions_BL: Tensor) -> Rotation:
        """Cosines and sines of the rotary embedding, float32, and the scale of queries where there is one."""
        cos, sin = self.model.llama.model.rotary_emb(
            torch.empty(0, device=positions_BL.device), position_ids=positions_BL
        )
        scale = self._scale(int(positions_BL.shape[-1]))
        return (cos, sin) if scale is None else (cos, sin, scale.of(positions_BL)[..., None])

    def _scale(self, length: int) -> QueryScale | None:
        """The scale of queries, where a canvas is so long that one of them has any."""
        scale = self.model.architecture.query_scale
        return None if scale is None or length <= scale.until else scale

    def _layer(
        self, x_TD: Tensor, weights: LayerWeights, attend: Callable[[Tensor], Tensor], shape: torch.Size
    ) -> Tensor:
        qkv_TE = self._products.normed(x_TD, weights.input_norm, weights.qkv)
        attended_THd = filled_up(attend(first_rows(qkv_TE, shape)).flatten(0, 1), len(x_TD))
        return _after_attention(attended_THd, x_TD, weights, self._products)

    def _underneath(self, x_TD: Tensor, rotation: Rotation, shape: torch.Size) -> Underneath:
        last, outputs = self.layers[-1], slice(self.sizes.queries, None)
        kv_TE = self._products.normed(x_TD, last.input_norm, last.qkv[outputs])
        keys, values = self._rotate_keys(first_rows(kv_TE, shape), rotation, last.finish.part(outputs))
        return Underneath(first_rows(x_TD, shape), keys, values)

    def _embed(self, tokens_BL: Tensor) -> Tensor:
        """Hidden states of T tokens, those of the batch first; what comes after them is there for speed alone."""
        x_TD = embedding(tokens_BL.flatten(), self.model.llama.model.embed_tokens.weight)
        return filled_up(x_TD, self._products.filled(len(x_TD)))

    @property
    def _last_norm(self) -> Tensor:
        weight_D: Tensor = self.model.llama.model.norm.weight
        return weight_D


def _after_attention(attended_BLHd: Tensor, x_BLD: Tensor, weights: LayerWeights, products: Products) -> Tensor:
    """The part of a layer after attention; may overwrite its input x."""
    x_BLD = products.added(attended_BLHd.flatten(-2), weights.output, x_BLD)
    gated_BLI = products.gated(x_BLD, weights.post_norm, weights.gate_up)
    return products.added(gated_BLI, weights.down, x_BLD)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The shape that captured passes take."""

    rows: int
    prompt_tokens: int
    output_tokens: int
    padded: bool

    @property
    def length(self) -> int:
        """Tokens of a whole row."""
        return self.prompt_tokens + self.output_tokens


def part_rows(rows: int, tokens: int) -> int:
    """Rows of one part: the most that divide `rows` and have at most `PART_TOKENS` tokens together."""
    most = max(1, PART_TOKENS // tokens)
    return next(part for part in range(min(rows, most), 0, -1) if rows % part == 0)
