"""Attention of a window's queries to all kept keys, with the rotation before it and the keys' way to their places.

A program reads its part of one key head's keys once, for the queries of all heads that share it. The window's own keys
come from the fused product: the last part rotates them, attends to them, and writes them where they belong; all parts
leave out what was kept there before. So no program reads what another one writes. Partial results are joined by the
program of a head that ends last. The algorithm is FlashAttention-2's (Dao, arXiv 2307.08691), with split keys.

Dimensions: R rows, W tokens of the window, L of the canvas, H query heads, G key heads, d of a head, E = (H + 2 G) d,
Z = W H / G queries that share a key head.
"""

from functools import cache
from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from benchmark.engines.compiled.layer import NOTHING, Finish
from benchmark.engines.kernels.hopper import dependent_launch, gdc_launch_dependents, gdc_wait
from benchmark.engines.kernels.rotation import load_turned, load_values

LOG2_E = 1.4426950408889634
LOWEST = tl.constexpr(-1.0e30)
LEAST_TILE = 16
"""Rows and columns of a tensor core's tile; fewer are filled up."""

MOST_QUERIES = 128
"""Queries that share a key head; more do not fit a program's registers."""


class Plan(NamedTuple):
    """How many programs share a key head's keys, and the keys, loads on their way and warps of each."""

    parts: int
    keys: int
    stages: int
    warps: int


PROGRAMS = 256
"""The number of programs that keeps a Hopper GPU's multiprocessors busy, two on each."""


LEAST_KEYS = 128
"""Keys of a part; smaller parts take longer to join than to read."""


def plan_of(rows: int, length: int, key_heads: int) -> Plan:
    """The best of a trial on an H100: few heads are split."""
    parts = 1
    while rows * key_heads * parts < PROGRAMS and length // parts > LEAST_KEYS:
        parts *= 2
    return Plan(parts, 64, 3, 4)


@triton.jit
def _more(q_first, q_second, k_first, k_second, v, seen, scale, highest, total, sums, precision: tl.constexpr):
    """The online softmax with some keys more."""
    scores = tl.dot(q_first, tl.trans(k_first), input_precision=precision)
    scores = tl.dot(q_second, tl.trans(k_second), scores, input_precision=precision)
    scores = tl.where(seen[None], scores * scale, float("-inf"))
    higher = tl.maximum(highest, tl.max(scores, 1))
    weights = tl.exp2(scores - higher[:, None])
    shrunk = tl.exp2(highest - higher)
    total = total * shrunk + tl.sum(weights, 1)
    sums = tl.dot(weights.to(v.dtype), v, sums * shrunk[:, None], input_precision=precision)
    return higher, total, sums


@triton.jit
def _kept(
    highest, total, sums, q_first, q_second, keys, values, first_key, end_key, start, row_start, key_head, scale,
    window: tl.constexpr, key_heads: tl.constexpr, head: tl.constexpr, block: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    """The softmax over kept keys of a part, without those in the window."""
    half: tl.constexpr = head // 2
    column = tl.arange(0, half)[None]
    for first in range(first_key, end_key, block):
        key = first + tl.arange(0, block)
        seen = (key < end_key) & ((key < start) | (key >= start + window))
        at = ((row_start + key) * key_heads + key_head)[:, None] * head
        k_first = tl.load(keys + at + column, mask=seen[:, None], other=0.0)
        k_second = tl.load(keys + at + half + column, mask=seen[:, None], other=0.0)
        v = tl.load(values + at + tl.arange(0, head)[None], mask=seen[:, None], other=0.0)
        highest, total, sums = _more(
            q_first, q_second, k_first, k_second, v, seen, scale, highest, total, sums, precision
        )
    return highest, total, sums


@triton.jit
def _own(
    highest, total, sums, q_first, q_second, qkv, key_start, bias, norm, cos, sin, keys, values, first_place,
    scale, epsilon,
    window: tl.constexpr, fresh: tl.constexpr, width: tl.constexpr, key_heads: tl.constexpr, head: tl.constexpr,
    has_bias: tl.constexpr, has_norm: tl.constexpr, precision: tl.constexpr,
):  # fmt: skip
    """The softmax with the window's own keys, which take their places among the kept ones."""
    half: tl.constexpr = head // 2
    column = tl.arange(0, half)[None]
    whole = tl.arange(0, head)[None]
    token = tl.arange(0, fresh)
    within = token < window
    products, head_start = qkv + token * width, key_start + 0 * token
    k_first, k_second = load_turned(
        products,
        head_start,
        bias,
        norm,
        cos + token * head,
        sin + token * head,
        within,
        epsilon,
        half,
        has_bias,
        has_norm,
    )
    v = load_values(products, head_start + key_heads * head, bias, within, head, has_bias)
    target = first_place + token[:, None] * key_heads * head
    tl.store(keys + target + column, k_first, mask=within[:, None])
    tl.store(keys + target + half + column, k_second, mask=within[:, None])
    tl.store(values + target + whole, v, mask=within[:, None])
    return _more(q_first, q_second, k_first, k_second, v, within, scale, highest, total, sums, precision)


@triton.jit
def _joined(part_sums, part_highest, part_total, first, queries: tl.constexpr, head: tl.constexpr, parts: tl.constexpr):
    """The softmax over all parts of a head's keys; they were computed on other multiprocessors."""
    query = tl.arange(0, queries)
    whole = tl.arange(0, head)[None]
    highest = tl.full((queries,), LOWEST, tl.float32)
    total = tl.zeros((queries,), tl.float32)
    sums = tl.zeros((queries, head), tl.float32)
    for part in range(parts):
        at = first + part * queries + query
        part_high = tl.load(part_highest + at, cache_modifier=".cg")
        higher = tl.maximum(highest, part_high)
        shrunk = tl.exp2(highest - higher)
        share = tl.exp2(part_high - higher)
        total = total * shrunk + tl.load(part_total + at, cache_modifier=".cg") * share
        more = tl.load(part_sums + at[:, None] * head + whole, cache_modifier=".cg")
        sums = sums * shrunk[:, None] + more * share[:, None]
        highest = higher
    return total, sums


@triton.jit(do_not_specialize=["length"])
def _window_attention(
    qkv, bias, query_norm, key_norm, cos, sin, positions, keys, values, out,
    part_sums, part_highest, part_total, arrived, length, table_stride, scale, epsilon,
    window: tl.constexpr, groups: tl.constexpr, key_heads: tl.constexpr, head: tl.constexpr, in_blocks: tl.constexpr,
    queries: tl.constexpr, fresh: tl.constexpr, block: tl.constexpr, parts: tl.constexpr,
    has_bias: tl.constexpr, has_norm: tl.constexpr, precision: tl.constexpr, dependent: tl.constexpr,
):  # fmt: skip
    part, key_head, row = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    heads: tl.constexpr = key_heads * groups
    width: tl.constexpr = (heads + 2 * key_heads) * head
    if dependent:
        gdc_launch_dependents()
        gdc_wait()
    start = tl.load(positions).to(tl.int32)
    qkv += row * window * width
    cos += row * table_stride
    sin += row * table_stride
    query = tl.arange(0, queries)
    token, query_head = query % window, key_head * groups + query // window
    within = query < window * groups
    q_first, q_second = load_turned(
        qkv + token * width, query_head * head, bias, query_norm, cos + token * head, sin + token * head, within,
        epsilon, head // 2, has_bias, has_norm,
    )  # fmt: skip
    highest = tl.full((queries,), LOWEST, tl.float32)
    total = tl.zeros((queries,), tl.float32)
    sums = tl.zeros((queries, head), tl.float32)
    kept_keys = start if in_blocks else length  # a block sees no keys behind itself
    each = tl.cdiv(tl.cdiv(kept_keys, parts), block) * block
    end_key = tl.minimum(part * each + each, kept_keys)
    highest, total, sums = _kept(
        highest, total, sums, q_first, q_second, keys, values, part * each, end_key, start, row * length, key_head,
        scale, window, key_heads, head, block, precision,
    )  # fmt: skip
    if part == parts - 1:
        first_place = ((row * length + start) * key_heads + key_head) * head
        highest, total, sums = _own(
            highest, total, sums, q_first, q_second, qkv, (heads + key_head) * head,
            bias, key_norm, cos, sin, keys, values, first_place, scale, epsilon,
            window, fresh, width, key_heads, head, has_bias, has_norm, precision,
        )  # fmt: skip
    out_at = ((row * window + token) * heads + query_head)[:, None] * head + tl.arange(0, head)[None]
    if parts == 1:
        tl.store(out + out_at, (sums / total[:, None]).to(out.dtype.element_ty), mask=within[:, None])
    else:
        shared = row * key_heads + key_head
        mine = (shared * parts + part) * queries + query
        tl.store(part_sums + mine[:, None] * head + tl.arange(0, head)[None], sums)
        tl.store(part_highest + mine, highest)
        tl.store(part_total + mine, total)
        tl.debug_barrier()
        if tl.atomic_add(arrived + shared, 1, sem="acq_rel") == parts - 1:
            tl.debug_barrier()
            total, sums = _joined(part_sums, part_highest, part_total, shared * parts * queries, queries, head, parts)
            tl.store(out + out_at, (sums / total[:, None]).to(out.dtype.element_ty), mask=within[:, None])
            tl.store(arrived + shared, 0)


def window_attention(
    qkv_RWE: Tensor,
    rotation: tuple[Tensor, ...],
    kept_RLGd: tuple[Tensor, Tensor],
    positions_W: Tensor,
    *,
    heads: int,
    plan: Plan,
    in_blocks: bool = False,
    finish: Finish = NOTHING,
    epsilon: float = 0.0,
) -> Tensor:
    """Attention of the window at `positions_W`, which follow one another, to the kept keys and its own, [R, W, H, d].

    With `in_blocks` the window is a block, which sees no kept keys behind itself.
    Its own keys and values take their places among the kept ones. Float32 is computed in float32, for tests.
    """
    rows, window, _ = qkv_RWE.shape
    keys_RLGd, values_RLGd = kept_RLGd
    _, length, key_heads, head = keys_RLGd.shape
    cos, sin = rotation[:2]
    groups = heads // key_heads
    queries = max(LEAST_TILE, triton.next_power_of_2(window * groups))
    out_RWHd = qkv_RWE.new_empty(rows, window, heads, head)
    is_split = plan.parts > 1
    scratch = (rows, key_heads, plan.parts, queries) if is_split else (1,)
    part_sums = torch.empty(*scratch, head, device=out_RWHd.device)
    part_highest, part_total = (torch.empty(scratch, device=out_RWHd.device) for _ in range(2))
    _window_attention[(plan.parts, key_heads, rows)](
        *(qkv_RWE.contiguous(), finish.bias_E, finish.query_norm_d, finish.key_norm_d),
        *(cos.contiguous(), sin.contiguous(), positions_W, keys_RLGd, values_RLGd, out_RWHd),
        *(part_sums, part_highest, part_total, _arrivals(rows * key_heads, out_RWHd.device)),
        *(length, 0 if len(cos) == 1 else window * head, head**-0.5 * LOG2_E, epsilon),
        window=window,
        groups=groups,
        key_heads=key_heads,
        head=head,
        in_blocks=in_blocks,
        queries=queries,
        fresh=max(LEAST_TILE, triton.next_power_of_2(window)),
        block=plan.keys,
        parts=plan.parts,
        has_bias=finish.bias_E is not None,
        has_norm=finish.query_norm_d is not None,
        precision="ieee" if out_RWHd.dtype == torch.float32 else "tf32",
        num_warps=plan.warps,
        num_stages=plan.stages,
        **dependent_launch(),
    )
    return out_RWHd


@cache
def _arrivals(heads: int, device: torch.device) -> Tensor:
    """Of each key head, the programs that have ended; the last one makes it zero again. A few bytes, never freed."""
    return torch.zeros(heads, dtype=torch.int32, device=device)
