"""The kernel of a window's attention beside the same in tensor operations."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmark.engines.compiled.layer import Sizes, rotate
from benchmark.engines.kernels.window import Plan, window_attention
from tests.rotation import a_finish


class Case(NamedTuple):
    rows: int
    window: int
    length: int
    heads: int
    key_heads: int
    head: int
    start: int
    plan: Plan
    dtype: torch.dtype = torch.float32
    in_blocks: bool = False
    biased: bool = False
    normed: bool = False


class Outcome(NamedTuple):
    """What attention gives, and what keys and values are kept after it."""

    attended: Tensor
    keys: Tensor
    values: Tensor


def both(case: Case, device: torch.device, *, rows_of_tables: int = 1) -> tuple[Outcome, Outcome]:
    """By the kernel, whose second run has to give what the first one gave, and by tensor operations."""
    shape = (case.rows, case.length, case.key_heads, case.head)
    torch.manual_seed(0)
    width = (case.heads + 2 * case.key_heads) * case.head
    qkv = torch.randn(case.rows, case.window, width, device=device).to(case.dtype)
    keys, values = (torch.randn(shape, device=device).to(case.dtype) for _ in range(2))
    angles = torch.randn(rows_of_tables, case.window, case.head // 2, device=device).repeat(1, 1, 2)
    rotation, positions = (angles.cos(), angles.sin()), torch.arange(case.start, case.start + case.window).to(device)
    sizes = Sizes(heads=case.heads, key_heads=case.key_heads, head=case.head, epsilon=1e-6)
    finish = a_finish(sizes, device, case.dtype, biased=case.biased, normed=case.normed)
    kept = (keys.clone(), values.clone())
    for _ in range(2):
        attended = window_attention(
            qkv,
            rotation,
            kept,
            positions,
            heads=case.heads,
            plan=case.plan,
            in_blocks=case.in_blocks,
            finish=finish,
            epsilon=sizes.epsilon,
        )
    q, k, v = rotate(qkv, rotation, finish, sizes)
    keys.index_copy_(1, positions, k)
    values.index_copy_(1, positions, v)
    groups = case.heads // case.key_heads
    until = case.start + case.window if case.in_blocks else case.length
    k, v = (x[:, :until].repeat_interleave(groups, dim=2).transpose(1, 2).float() for x in (keys, values))
    expected = scaled_dot_product_attention(q.transpose(1, 2).float(), k, v).transpose(1, 2)
    return Outcome(attended.float(), *kept), Outcome(expected, keys, values)
