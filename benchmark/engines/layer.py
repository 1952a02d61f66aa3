"""A Llama decoder layer as functions of tensors, so that one compiled layer serves all.

The same computation as transformers' LlamaDecoderLayer, which tests hold it to, but for rotary embeddings in
float32, as the published LLaDA and Llama 3 have them; transformers rotates in the type of the weights.

Dimensions: B rows, L tokens of a pass, D hidden, H query heads, G key heads, d of a head, S places of a cache.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from benchmark.engines.attention import Kernel
from benchmark.engines.packing import LayerWeights


@dataclass(frozen=True)
class Sizes:
    """What a layer cannot read off its weights."""

    heads: int
    key_heads: int
    head: int
    epsilon: float


Rotation = tuple[Tensor, Tensor]
"""Cosines and sines for each position, float32 [B or 1, L, d]."""


def rms_norm(x_BLD: Tensor, weight_D: Tensor, epsilon: float) -> Tensor:
    """Root-mean-square norm in float32, scaled in the type of the input."""
    wide_BLD = x_BLD.float()
    scale_BL1 = torch.rsqrt(wide_BLD.pow(2).mean(dim=-1, keepdim=True) + epsilon)
    return weight_D * (wide_BLD * scale_BL1).to(x_BLD.dtype)


def canvas_layer(
    x_BLD: Tensor, weights: LayerWeights, rotation: Rotation, mask_BLL: Tensor | None, sizes: Sizes, kernel: Kernel
) -> Tensor:
    """One layer with attention in both directions."""
    q, k, v = _project(x_BLD, weights, rotation, sizes)
    return _finish(x_BLD, kernel.full(q, k, v, mask_BLL, causal=False), weights, sizes)


def prefill_layer(
    x_BLD: Tensor, weights: LayerWeights, rotation: Rotation, mask_BLL: Tensor | None, sizes: Sizes, kernel: Kernel
) -> tuple[Tensor, Tensor, Tensor]:
    """One layer with causal attention, and its keys and values [B, L, G, d]."""
    q, k, v = _project(x_BLD, weights, rotation, sizes)
    return _finish(x_BLD, kernel.full(q, k, v, mask_BLL, causal=True), weights, sizes), k, v


def step_layer(
    x_B1D: Tensor,
    weights: LayerWeights,
    rotation: Rotation,
    cache: tuple[Tensor, Tensor],
    seen_B: Tensor,
    mask_B1S: Tensor | None,
    sizes: Sizes,
    kernel: Kernel,
) -> Tensor:
    """One layer for one new token, whose key and value join the cache [B, S, G, d] as the last of those seen."""
    q, k, v = _project(x_B1D, weights, rotation, sizes)
    k_BSGd, v_BSGd = cache
    place_1 = seen_B[:1].long() - 1
    k_BSGd.index_copy_(1, place_1, k)
    v_BSGd.index_copy_(1, place_1, v)
    return _finish(x_B1D, kernel.cached(q, k_BSGd, v_BSGd, seen_B, mask_B1S), weights, sizes)


def _project(x_BLD: Tensor, weights: LayerWeights, rotation: Rotation, sizes: Sizes) -> tuple[Tensor, Tensor, Tensor]:
    normed_BLD = rms_norm(x_BLD, weights.input_norm, sizes.epsilon)
    qkv_BLHd = linear(normed_BLD, weights.qkv).unflatten(-1, (-1, sizes.head))
    q, k, v = qkv_BLHd.split([sizes.heads, sizes.key_heads, sizes.key_heads], dim=2)
    return _rotate(q, rotation), _rotate(k, rotation), v


def _rotate(x_BLHd: Tensor, rotation: Rotation) -> Tensor:
    """Rotary position embedding over halves (Su et al., arXiv 2104.09864)."""
    cos_BL1d, sin_BL1d = (table[:, :, None] for table in rotation)
    first, second = x_BLHd.chunk(2, dim=-1)
    return (x_BLHd * cos_BL1d + torch.cat([-second, first], dim=-1) * sin_BL1d).to(x_BLHd.dtype)


def _finish(x_BLD: Tensor, attended_BLHd: Tensor, weights: LayerWeights, sizes: Sizes) -> Tensor:
    x_BLD = x_BLD + linear(attended_BLHd.flatten(-2), weights.output)
    normed_BLD = rms_norm(x_BLD, weights.post_norm, sizes.epsilon)
    gate_BLI, up_BLI = linear(normed_BLD, weights.gate_up).chunk(2, dim=-1)
    return x_BLD + linear(silu(gate_BLI) * up_BLI, weights.down)
