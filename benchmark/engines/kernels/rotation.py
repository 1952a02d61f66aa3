"""Queries and keys of a fused product, as parts of a kernel and by one of its own: bias, norm over a head, rotation.

Dimensions: B rows, L tokens of a pass, S positions of a cache, H query heads, G key heads, d of a head,
E = (H + 2 G) d.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from benchmark.engines.compiled.layer import Arranged, Cache, Finish, Rotation, Sizes
from benchmark.engines.kernels.hopper import dependent_launch, gdc_launch_dependents, gdc_wait

WARPS = 2
MOST_TOKENS = 256
"""More have work enough for the kernels that the compiler makes."""


@triton.jit
def load_turned(
    products, head_start, bias, norm, cos, sin, within, epsilon,
    half: tl.constexpr, has_bias: tl.constexpr, has_norm: tl.constexpr,
):  # fmt: skip
    """Halves of rotated heads, as layer.rotated has them, from pointers to products and to rows of the tables.

    `head_start` is where a head begins in a product. Rounded where layer.py rounds. The second half of a table's row is
    the first one again.
    """
    column = tl.arange(0, half)[None]
    inside = within[:, None]
    heads = products + head_start
    first = tl.load(heads[:, None] + column, mask=inside, other=0.0)
    second = tl.load(heads[:, None] + half + column, mask=inside, other=0.0)
    cosine = tl.load(cos[:, None] + column, mask=inside, other=0.0)
    sine = tl.load(sin[:, None] + column, mask=inside, other=0.0)
    if has_bias:
        biases = (bias + head_start)[:, None] + column
        first += tl.load(biases, mask=inside, other=0.0)
        second += tl.load(biases + half, mask=inside, other=0.0)
    wide_first, wide_second = first.to(tl.float32), second.to(tl.float32)
    if has_norm:
        squares = tl.sum(wide_first * wide_first, 1) + tl.sum(wide_second * wide_second, 1)
        scale = tl.rsqrt(squares / (2 * half) + epsilon)[:, None]
        normed_first = tl.load(norm + column) * (wide_first * scale).to(first.dtype)
        normed_second = tl.load(norm + half + column) * (wide_second * scale).to(first.dtype)
        wide_first, wide_second = normed_first.to(tl.float32), normed_second.to(tl.float32)
    turned_first = wide_first * cosine - wide_second * sine
    turned_second = wide_second * cosine + wide_first * sine
    return turned_first.to(first.dtype), turned_second.to(first.dtype)


@triton.jit
def load_values(products, head_start, bias, within, head: tl.constexpr, has_bias: tl.constexpr):
    """Heads of the products that are not rotated."""
    column = tl.arange(0, head)[None]
    inside = within[:, None]
    values = tl.load((products + head_start)[:, None] + column, mask=inside, other=0.0)
    if has_bias:
        values += tl.load((bias + head_start)[:, None] + column, mask=inside, other=0.0)
    return values


@triton.jit
def _turn_into(
    qkv, bias, query_norm, key_norm, cos, sin, positions, keys, values, out,
    tokens, cache_stride, table_stride, group_stride, member_stride, epsilon,
    groups: tl.constexpr, members: tl.constexpr, key_heads: tl.constexpr, head: tl.constexpr,
    has_keys: tl.constexpr, has_bias: tl.constexpr, has_norm: tl.constexpr, dependent: tl.constexpr,
):  # fmt: skip
    token, key_head = tl.program_id(0), tl.program_id(1)
    row, nth = (token // tokens).to(tl.int64), token % tokens
    heads: tl.constexpr = key_heads * groups
    half: tl.constexpr = head // 2
    if dependent:
        gdc_launch_dependents()
        gdc_wait()
    column = tl.arange(0, half)[None]
    product = qkv + token.to(tl.int64) * (heads + (2 * key_heads if has_keys else 0)) * head
    member = tl.arange(0, members)
    within = member < groups
    table = row * table_stride + nth * head
    tables = table + 0 * member
    q_first, q_second = load_turned(
        product, (key_head * groups + member) * head, bias, query_norm, cos + tables, sin + tables, within, epsilon,
        half, has_bias, has_norm,
    )  # fmt: skip
    to = out + token.to(tl.int64) * heads * head + (key_head * group_stride + member * member_stride)[:, None] + column
    tl.store(to, q_first, mask=within[:, None])
    tl.store(to + half, q_second, mask=within[:, None])
    if has_keys:
        one = tl.arange(0, 1)
        key = (heads + key_head) * head + one
        k_first, k_second = load_turned(
            product,
            key,
            bias,
            key_norm,
            cos + table + one,
            sin + table + one,
            one < 1,
            epsilon,
            half,
            has_bias,
            has_norm,
        )
        v = load_values(product, key + key_heads * head, bias, one < 1, head, has_bias)
        target = row * cache_stride + (tl.load(positions + nth) * key_heads + key_head) * head
        tl.store(keys + target + column, k_first)
        tl.store(keys + target + half + column, k_second)
        tl.store(values + target + tl.arange(0, head)[None], v)


def fits_turning(product_BLE: Tensor, rotation: Rotation, sizes: Sizes) -> bool:
    """Whether the kernel can, which knows no scale of queries, and is made for few tokens."""
    few = product_BLE.shape[:2].numel() <= MOST_TOKENS
    return few and len(rotation) == 2 and sizes.head & (sizes.head - 1) == 0  # noqa: PLR2004 (cosines and sines)


class TurnInto(NamedTuple):
    """layer.rotate_into in one kernel, where `fits_turning` says so."""

    sizes: Sizes
    arranged: Arranged

    def __call__(
        self, qkv_BLE: Tensor, rotation: Rotation, cache: Cache, positions_L: Tensor, finish: Finish
    ) -> Tensor:
        """See layer.rotate_into. The queries are written where the attention kernel wants them."""
        sizes, (rows, tokens, _) = self.sizes, qkv_BLE.shape
        groups = sizes.heads // sizes.key_heads
        as_they_are = torch.empty(rows, tokens, sizes.heads, sizes.head, device="meta")
        shape = self.arranged(as_they_are, sizes.key_heads).shape
        is_grouped = shape != as_they_are.shape
        assert not is_grouped or shape == (rows, groups, sizes.key_heads, sizes.head)
        strides = (sizes.head, sizes.key_heads * sizes.head) if is_grouped else (groups * sizes.head, sizes.head)
        out = qkv_BLE.new_empty(shape)
        to = _To(out, strides, (positions_L, *cache), cache[0].stride(0))
        _launch(qkv_BLE, rotation, finish, sizes, to)
        return out


def turned_queries(q_BLE: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes) -> Tensor:
    """layer.rotate_queries in one kernel, where `fits_turning` says so; the product has queries alone."""
    out = q_BLE.new_empty(*q_BLE.shape[:2], sizes.heads, sizes.head)
    strides = (sizes.heads // sizes.key_heads * sizes.head, sizes.head)
    _launch(q_BLE, rotation, finish, sizes, _To(out, strides, None, 0))
    return out


class _To(NamedTuple):
    """Where queries go, with the strides of a key head's queries and of those that share it; positions and caches."""

    out: Tensor
    strides: tuple[int, int]
    cache: tuple[Tensor, Tensor, Tensor] | None
    cache_stride: int


def _launch(product_BLE: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes, to: _To) -> None:
    (rows, tokens, _), (cos, sin) = product_BLE.shape, rotation[:2]
    groups = sizes.heads // sizes.key_heads
    _turn_into[(rows * tokens, sizes.key_heads)](
        *(product_BLE.contiguous(), finish.bias_E, finish.query_norm_d, finish.key_norm_d),
        *(cos.contiguous(), sin.contiguous(), *(to.cache or (None, None, None)), to.out),
        *(tokens, to.cache_stride, 0 if len(cos) == 1 else tokens * sizes.head, *to.strides, sizes.epsilon),
        groups=groups,
        members=triton.next_power_of_2(groups),
        key_heads=sizes.key_heads,
        head=sizes.head,
        has_keys=to.cache is not None,
        has_bias=finish.bias_E is not None,
        has_norm=finish.query_norm_d is not None,
        num_warps=WARPS,
        **dependent_launch(),
    )
