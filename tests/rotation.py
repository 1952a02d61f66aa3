"""The kernel that rotates queries and keys, beside the same in tensor operations."""

from typing import NamedTuple

import torch
from torch import Tensor

from benchmark.engines.compiled.layer import NOTHING, Arranged, Finish, Sizes, as_they_are, rotate_into, rotate_queries
from benchmark.engines.kernels.rotation import TurnInto, turned_queries


class Rotated(NamedTuple):
    """Rows, tokens of each, heads, key heads, size of a head."""

    rows: int
    tokens: int
    heads: int
    key_heads: int
    head: int
    biased: bool
    normed: bool
    dtype: torch.dtype = torch.float32


def a_finish(sizes: Sizes, device: torch.device, dtype: torch.dtype, *, biased: bool, normed: bool) -> Finish:
    """Random biases and norms."""
    width = (sizes.heads + 2 * sizes.key_heads) * sizes.head
    finish = Finish(bias_E=torch.randn(width, device=device).to(dtype)) if biased else NOTHING
    if not normed:
        return finish
    query_norm_d, key_norm_d = torch.randn(2, sizes.head, device=device).to(dtype)
    return finish._replace(query_norm_d=query_norm_d, key_norm_d=key_norm_d)


def both_rotations(
    case: Rotated, device: torch.device, *, rows_of_tables: int = 1, arranged: Arranged = as_they_are
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Queries, and keys and values of a cache, by the kernel and by tensor operations."""
    torch.manual_seed(0)
    sizes = Sizes(heads=case.heads, key_heads=case.key_heads, head=case.head, epsilon=1e-6)
    width = (case.heads + 2 * case.key_heads) * case.head
    qkv = torch.randn(case.rows, case.tokens, width, device=device).to(case.dtype)
    cache = torch.randn(2, case.rows, 19, case.key_heads, case.head, device=device).to(case.dtype)
    angles = torch.randn(rows_of_tables, case.tokens, case.head // 2, device=device).repeat(1, 1, 2)
    rotation, positions = (angles.cos(), angles.sin()), torch.arange(7, 7 + case.tokens).to(device)
    finish = a_finish(sizes, device, case.dtype, biased=case.biased, normed=case.normed)
    keys, values = cache.clone()
    by_kernel = TurnInto(sizes, arranged)(qkv, rotation, (keys, values), positions, finish)
    expected = rotate_into(qkv, rotation, (cache[0], cache[1]), positions, finish, sizes, arranged)
    return (by_kernel, keys, values), (expected, cache[0], cache[1])


def both_queries(case: Rotated, device: torch.device, *, rows_of_tables: int = 1) -> tuple[Tensor, Tensor]:
    """Queries of a product of queries alone, by the kernel and by tensor operations."""
    torch.manual_seed(0)
    sizes = Sizes(heads=case.heads, key_heads=case.key_heads, head=case.head, epsilon=1e-6)
    q = torch.randn(case.rows, case.tokens, case.heads * case.head, device=device).to(case.dtype)
    angles = torch.randn(rows_of_tables, case.tokens, case.head // 2, device=device).repeat(1, 1, 2)
    finish = a_finish(sizes, device, case.dtype, biased=case.biased, normed=case.normed).part(slice(sizes.queries))
    rotation = (angles.cos(), angles.sin())
    return turned_queries(q, rotation, finish, sizes), rotate_queries(q, rotation, finish, sizes)
