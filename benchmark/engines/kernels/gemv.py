"""Products of a matrix with one token. They take as long as reading the matrix.

A program reads one row of the matrix; programs of the next product start before the last product has ended. The norm
before a product, the gate behind it and the residual are part of the product's kernel: a kernel of its own for each
would take longer to start than to run.

Dimensions: K inputs, J outputs of a matrix.
"""

import triton
import triton.language as tl
from torch import Tensor

from benchmark.engines.kernels.gate import silu_gate
from benchmark.engines.kernels.hopper import dependent_launch, gdc_launch_dependents, gdc_wait
from benchmark.engines.kernels.norm import normed

SHORT_ROW = 4096
LONG_BLOCK = 2048
"""A row of up to this many inputs is read at once, a longer one in blocks: the best of a trial on an H100."""

INPUTS_A_WARP = 512


@triton.jit
def _values(x, norm, column, epsilon, inputs: tl.constexpr, has_norm: tl.constexpr):
    within = column < inputs
    values = tl.load(x + column, mask=within, other=0.0).to(tl.float32)
    if has_norm:
        learnt = tl.load(norm + column, mask=within, other=0.0)
        values = normed(values, learnt, inputs, epsilon).to(tl.float32)
    return values


@triton.jit
def _gemv(
    x, norm, weight, residual, out, outputs, epsilon,
    inputs: tl.constexpr, block: tl.constexpr,
    has_norm: tl.constexpr, is_gated: tl.constexpr, has_residual: tl.constexpr, dependent: tl.constexpr,
):  # fmt: skip
    """Load only weights before the wait. With a norm, `block` must hold a whole row."""
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, block)
    within = column < inputs
    start = weight + row * inputs
    start_up = start + tl.cast(outputs, tl.int64) * inputs  # an argument of 1 is a constant, which has no `to`
    weights = tl.load(start + column, mask=within, other=0.0, eviction_policy="evict_first")
    if is_gated:
        weights_up = tl.load(start_up + column, mask=within, other=0.0, eviction_policy="evict_first")
    if dependent:
        gdc_launch_dependents()
        gdc_wait()
    values = _values(x, norm, column, epsilon, inputs, has_norm)
    total = weights.to(tl.float32) * values
    if is_gated:
        total_up = weights_up.to(tl.float32) * values
    for first in range(block, inputs, block):
        inner = first + column
        inside = inner < inputs
        values = tl.load(x + inner, mask=inside, other=0.0).to(tl.float32)
        weights = tl.load(start + inner, mask=inside, other=0.0, eviction_policy="evict_first")
        total += weights.to(tl.float32) * values
        if is_gated:
            weights_up = tl.load(start_up + inner, mask=inside, other=0.0, eviction_policy="evict_first")
            total_up += weights_up.to(tl.float32) * values
    result = tl.sum(total)
    if is_gated:
        result = silu_gate(result, tl.sum(total_up), out.dtype.element_ty)
    if has_residual:
        result += tl.load(residual + row).to(tl.float32)
    tl.store(out + row, result.to(out.dtype.element_ty))


def gemv(
    x_1K: Tensor,
    weight_JK: Tensor,
    *,
    norm_K: Tensor | None = None,
    epsilon: float = 0.0,
    residual_1J: Tensor | None = None,
    is_gated: bool = False,
) -> Tensor:
    """`x @ weight.T` of one token, summed in float32, [1, J].

    `norm_K` takes the root-mean-square norm of x before; a gate takes the SiLU of the first half of the outputs
    times the second half, [1, J / 2]; the residual is added.
    """
    outputs, inputs = weight_JK.shape
    if is_gated:
        outputs //= 2
    out_1J = x_1K.new_empty(1, outputs)
    is_whole = norm_K is not None or inputs <= SHORT_ROW
    block = triton.next_power_of_2(inputs) if is_whole else LONG_BLOCK
    _gemv[(outputs,)](
        *(x_1K, norm_K, weight_JK, residual_1J, out_1J, outputs, epsilon),
        inputs=inputs,
        block=block,
        has_norm=norm_K is not None,
        is_gated=is_gated,
        has_residual=residual_1J is not None,
        num_warps=max(1, min(8, block // INPUTS_A_WARP)),
        **dependent_launch(),
    )
    return out_1J
