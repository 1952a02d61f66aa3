"""The product of a matrix with one token as a Triton kernel, which takes the time of reading the matrix.

Dimensions: K inputs, J outputs of a matrix.
"""

import triton
import triton.language as tl
from torch import Tensor

SHORT_ROW = 4096
SHORT = (1, 4096, 8)
LONG = (2, 2048, 4)
"""Rows that a program reads, inputs at a time, and warps, for short and long rows: the best of a trial on an H100."""


@triton.jit
def _stream_product(
    x, weight, residual, out, inputs: tl.constexpr, outputs,
    has_residual: tl.constexpr, rows: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    inside = row[:, None] < outputs
    total = tl.zeros((rows, block), tl.float32)
    for first in range(0, inputs, block):
        column = first + tl.arange(0, block)
        within = column < inputs
        values = tl.load(x + column, mask=within, other=0.0).to(tl.float32)
        weights = tl.load(
            weight + row[:, None].to(tl.int64) * inputs + column[None],
            mask=inside & within[None],
            other=0.0,
            eviction_policy="evict_first",
        )
        total += weights.to(tl.float32) * values[None]
    result = tl.sum(total, 1)
    if has_residual:
        result += tl.load(residual + row, mask=row < outputs, other=0.0).to(tl.float32)
    tl.store(out + row, result.to(out.dtype.element_ty), mask=row < outputs)


def stream_product(x_1K: Tensor, weight_JK: Tensor, residual_1J: Tensor | None) -> Tensor:
    """`x @ weight.T` in float32 for one token, plus the residual if there is one, [1, J]."""
    outputs, inputs = weight_JK.shape
    out_1J = x_1K.new_empty(1, outputs)
    rows, block, warps = SHORT if inputs <= SHORT_ROW else LONG
    _stream_product[(triton.cdiv(outputs, rows),)](
        *(x_1K, weight_JK, residual_1J, out_1J, inputs, outputs),
        has_residual=residual_1J is not None,
        rows=rows,
        block=min(block, triton.next_power_of_2(inputs)),
        num_warps=warps,
    )
    return out_1J
