"""The parts of a Llama decoder layer between its matrix products, as functions of tensors to be compiled.

The computation is that of transformers' LlamaDecoderLayer; tests compare the two. The one difference: rotary embeddings
are in float32, as in the published LLaDA and Llama 3, and transformers rotates in the type of the weights.

Dimensions: X layers, B rows, L tokens of a pass, D hidden, H query heads, G key heads, d of a head, E = (H + 2 G) d,
I of the MLP, S positions of a cache.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import silu


@dataclass(frozen=True)
class Sizes:
    """Sizes that do not follow from a layer's weights."""

    heads: int
    key_heads: int
    head: int
    epsilon: float = 0.0

    @property
    def queries(self) -> int:
        """Outputs of the fused product that are queries; they come first."""
        return self.heads * self.head


class Finish(NamedTuple):
    """What a layer does to the fused product before the rotation; None where it does not.

    A bias of all outputs, and weights of the norms of each query and each key over its head.
    """

    bias_E: Tensor | None = None
    query_norm_d: Tensor | None = None
    key_norm_d: Tensor | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether the product is ready for the rotation."""
        return all(each is None for each in self)

    def part(self, outputs: slice) -> "Finish":
        """The same for some outputs of the product."""
        return self if self.bias_E is None else self._replace(bias_E=self.bias_E[outputs])


NOTHING = Finish()

Rotation = tuple[Tensor, ...]
"""Cosines and sines for each position, float32 [B or 1, L, d], and the scale of queries if any, [.., L, 1]."""

Cache = tuple[Tensor, Tensor]
"""Keys and values, each [B, S, G, d]."""


@dataclass(frozen=True)
class Kept:
    """Keys and values of whole canvases, in all layers, where passes leave them for later ones."""

    keys_XRLGd: Tensor
    values_XRLGd: Tensor

    def of_rows(self, rows: slice) -> "Kept":
        """Those of some rows, in the same memory."""
        return Kept(self.keys_XRLGd[:, rows], self.values_XRLGd[:, rows])

    @property
    def by_layer(self) -> list[Cache]:
        """Keys and values of each layer."""
        return list(zip(self.keys_XRLGd, self.values_XRLGd, strict=True))


Arranged = Callable[[Tensor, int], Tensor]
"""Lays queries out as an attention kernel takes them, given the number of key heads."""

RotateInto = Callable[[Tensor, Rotation, Cache, Tensor, Finish], Tensor]
"""See rotate_into, for some sizes and an arrangement."""


def rms_norm(x_BLD: Tensor, weight_D: Tensor, epsilon: float) -> Tensor:
    """Root-mean-square norm in float32, scaled in the type of the input."""
    wide_BLD = x_BLD.float()
    scale_BL1 = torch.rsqrt(wide_BLD.pow(2).mean(dim=-1, keepdim=True) + epsilon)
    return weight_D * (wide_BLD * scale_BL1).to(x_BLD.dtype)


def rotate(qkv_BLE: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes) -> tuple[Tensor, Tensor, Tensor]:
    """Queries [B, L, H, d], keys and values [B, L, G, d] from their fused product; the first two rotated."""
    q, k, v = _heads(qkv_BLE, finish, sizes)
    return rotated_queries(q, rotation), rotated(k, rotation), v


def rotate_queries(q_BLE: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes) -> Tensor:
    """The same for queries alone."""
    q = _biased(q_BLE, finish).unflatten(-1, (-1, sizes.head))
    return rotated_queries(_normed(q, finish.query_norm_d, sizes), rotation)


def rotate_keys(kv_BLE: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """The same for keys and values alone."""
    k, v = _biased(kv_BLE, finish).unflatten(-1, (-1, sizes.head)).chunk(2, dim=2)
    return rotated(_normed(k, finish.key_norm_d, sizes), rotation), v


def rotate_into(
    qkv_BLE: Tensor,
    rotation: Rotation,
    cache: Cache,
    positions_L: Tensor,
    finish: Finish,
    sizes: Sizes,
    arranged: Arranged,
) -> Tensor:
    """The same with keys and values that go to their positions of the cache; returns the arranged queries."""
    q, k, v = rotate(qkv_BLE, rotation, finish, sizes)
    cache[0].index_copy_(1, positions_L, k)
    cache[1].index_copy_(1, positions_L, v)
    return arranged(q, sizes.key_heads)


def as_they_are(q_BLHd: Tensor, key_heads: int) -> Tensor:
    """Queries as `Kernel.full` takes them."""
    del key_heads
    return q_BLHd


def gate(gate_up_BLI: Tensor) -> Tensor:
    """SiLU of the first half times the second half."""
    gate_BLI, up_BLI = gate_up_BLI.chunk(2, dim=-1)
    return silu(gate_BLI) * up_BLI


def rotated(x_BLHd: Tensor, rotation: Rotation) -> Tensor:
    """Rotary position embedding over halves (Su et al., arXiv 2104.09864)."""
    cos_BL1d, sin_BL1d = (table[:, :, None] for table in rotation[:2])
    first, second = x_BLHd.chunk(2, dim=-1)
    return (x_BLHd * cos_BL1d + torch.cat([-second, first], dim=-1) * sin_BL1d).to(x_BLHd.dtype)


def rotated_queries(q_BLHd: Tensor, rotation: Rotation) -> Tensor:
    """The same, with the scale of queries where there is one."""
    turned_BLHd = rotated(q_BLHd, rotation)
    if len(rotation) == 2:  # noqa: PLR2004 (cosines and sines)
        return turned_BLHd
    return turned_BLHd * rotation[2][:, :, None].to(turned_BLHd.dtype)


def _heads(qkv_BLE: Tensor, finish: Finish, sizes: Sizes) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of the fused product, ready for the rotation."""
    split = [sizes.heads, sizes.key_heads, sizes.key_heads]
    q, k, v = _biased(qkv_BLE, finish).unflatten(-1, (-1, sizes.head)).split(split, dim=2)
    return _normed(q, finish.query_norm_d, sizes), _normed(k, finish.key_norm_d, sizes), v


def _biased(x_BLE: Tensor, finish: Finish) -> Tensor:
    return x_BLE if finish.bias_E is None else x_BLE + finish.bias_E


def _normed(x_BLHd: Tensor, weight_d: Tensor | None, sizes: Sizes) -> Tensor:
    return x_BLHd if weight_d is None else rms_norm(x_BLHd, weight_d, sizes.epsilon)


def at(x_RLD: Tensor, positions_RM: Tensor) -> Tensor:
    """Some positions of each row, [R, M, D]."""
    rows, length = x_RLD.shape[:2]
    first_R1 = torch.arange(0, rows * length, length, device=positions_RM.device)[:, None]
    chosen_XD = x_RLD.flatten(0, 1).index_select(0, (positions_RM + first_R1).flatten())
    chosen_RMD: Tensor = chosen_XD.unflatten(0, positions_RM.shape)
    return chosen_RMD


def rotation_at(rotation: Rotation, positions_RM: Tensor) -> Rotation:
    """The rotation at some positions of each row."""
    return tuple(at(table.expand(len(positions_RM), -1, -1), positions_RM) for table in rotation)


def first_rows(x_TD: Tensor, shape: torch.Size) -> Tensor:
    """The first rows in the shape of a batch, [B, L, D]."""
    x_BLD: Tensor = x_TD[: shape.numel()].unflatten(0, shape)
    return x_BLD


def filled_up(x: Tensor, rows: int) -> Tensor:
    """The same with rows behind it, as many as there are to be; nobody reads what they hold."""
    if len(x) == rows:
        return x
    out = x.new_empty(rows, *x.shape[1:])
    out[: len(x)] = x
    return out
