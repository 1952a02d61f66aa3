"""Products of a matrix with a few tokens: rows of a tensor core's tile are rows of the matrix, its columns are tokens.

A program computes some outputs of all tokens, so the matrix is read once and in long rows.

Dimensions: T tokens, K inputs, J outputs of a matrix.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from benchmark.engines.kernels.gate import silu_gate
from benchmark.engines.kernels.hopper import dependent_launch, gdc_launch_dependents, gdc_wait, is_hopper

MOST_TOKENS = 64
LEAST_COLUMNS = 16
"""Columns of a tile; fewer tokens are filled up."""


class Tile(NamedTuple):
    """A tile's sizes, how many are on their way at once, and the warps that compute one."""

    outputs: int = 64
    inputs: int = 128
    stages: int = 6
    warps: int = 4


TILE = Tile()
GATED = Tile(stages=4)
"""The best of a trial on an H100."""


def tile_of(outputs: int, inputs: int, *, is_gated: bool) -> Tile:
    """The tile of a product with so many outputs, gate and up counted once."""
    del outputs, inputs
    return GATED if is_gated else TILE


@triton.jit(do_not_specialize=["tokens"])
def _skinny_gemm(
    x, weight, residual, out, tokens, outputs, inputs: tl.constexpr,
    is_gated: tl.constexpr, has_residual: tl.constexpr, dependent: tl.constexpr,
    token_block: tl.constexpr, output_block: tl.constexpr, input_block: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * output_block + tl.arange(0, output_block)
    token = tl.arange(0, token_block)
    within = token[None] < tokens
    column = tl.arange(0, input_block)
    start = weight + row[:, None].to(tl.int64) * inputs
    start_up = start + outputs.to(tl.int64) * inputs
    if dependent:
        gdc_launch_dependents()
        gdc_wait()
    total = tl.zeros((output_block, token_block), tl.float32)
    total_up = tl.zeros((output_block, token_block), tl.float32)
    for first in range(0, inputs, input_block):
        inner = first + column
        values = tl.load(x + token[None] * inputs + inner[:, None], mask=within, other=0.0)
        weights = tl.load(start + inner[None], eviction_policy="evict_first")
        total = tl.dot(weights, values, total)
        if is_gated:
            weights_up = tl.load(start_up + inner[None], eviction_policy="evict_first")
            total_up = tl.dot(weights_up, values, total_up)
    if is_gated:
        total = silu_gate(total, total_up, out.dtype.element_ty)
    at = token[None] * outputs + row[:, None]
    if has_residual:
        total += tl.load(residual + at, mask=within, other=0.0).to(tl.float32)
    tl.store(out + at, total.to(out.dtype.element_ty), mask=within)


def fits_skinny(x_TK: Tensor, weight_JK: Tensor, *, is_gated: bool = False) -> bool:
    """Whether `skinny` can compute this product, and was faster than the library in a trial."""
    outputs, inputs = weight_JK.shape
    tile = tile_of(outputs // 2 if is_gated else outputs, inputs, is_gated=is_gated)
    whole = outputs % (2 * tile.outputs if is_gated else tile.outputs) == 0 and inputs % tile.inputs == 0
    return whole and 1 < len(x_TK) <= MOST_TOKENS and x_TK.dtype == torch.bfloat16 and is_hopper()


def skinny(
    x_TK: Tensor,
    weight_JK: Tensor,
    *,
    residual_TJ: Tensor | None = None,
    is_gated: bool = False,
    tile: Tile | None = None,
) -> Tensor:
    """`x @ weight.T`, summed in float32, plus the residual if there is one, [T, J].

    A gate takes the SiLU of the first half of the outputs times the second half, [T, J / 2].
    """
    outputs, inputs = weight_JK.shape
    if is_gated:
        outputs //= 2
    out_TJ = x_TK.new_empty(len(x_TK), outputs)
    tile = tile or tile_of(outputs, inputs, is_gated=is_gated)
    _skinny_gemm[(outputs // tile.outputs,)](
        *(x_TK.contiguous(), weight_JK, None if residual_TJ is None else residual_TJ.contiguous(), out_TJ),
        *(len(x_TK), outputs, inputs),
        is_gated=is_gated,
        has_residual=residual_TJ is not None,
        token_block=max(LEAST_COLUMNS, triton.next_power_of_2(len(x_TK))),
        output_block=tile.outputs,
        input_block=tile.inputs,
        num_warps=tile.warps,
        num_stages=tile.stages,
        **dependent_launch(),
    )
    return out_TJ
