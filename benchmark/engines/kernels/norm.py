"""The root-mean-square norm, as a part of a kernel and as one of its own.

Dimensions: T tokens, K inputs.
"""

import triton
import triton.language as tl
from torch import Tensor

from benchmark.engines.kernels.hopper import dependent_launch, gdc_launch_dependents, gdc_wait


@triton.jit
def normed(values, learnt, inputs: tl.constexpr, epsilon):
    """One token's values in float32, normed and scaled, rounded where layer.rms_norm rounds."""
    scale = tl.rsqrt(tl.sum(values * values) / inputs + epsilon)
    return learnt * (values * scale).to(learnt.dtype)


@triton.jit
def _rms_norm(x, norm, out, epsilon, inputs: tl.constexpr, block: tl.constexpr, dependent: tl.constexpr):
    column = tl.arange(0, block)
    within = column < inputs
    start = tl.program_id(0) * inputs
    learnt = tl.load(norm + column, mask=within, other=0.0)
    if dependent:
        gdc_launch_dependents()
        gdc_wait()
    values = tl.load(x + start + column, mask=within, other=0.0).to(tl.float32)
    tl.store(out + start + column, normed(values, learnt, inputs, epsilon), mask=within)


def rms_norm(x_TK: Tensor, norm_K: Tensor, epsilon: float) -> Tensor:
    """layer.rms_norm, [T, K], in a kernel during which the next one may already start."""
    x_TK = x_TK.contiguous()
    inputs, out_TK = x_TK.shape[1], x_TK.new_empty(x_TK.shape)
    _rms_norm[(len(x_TK),)](
        *(x_TK, norm_K, out_TK, epsilon, inputs),
        block=triton.next_power_of_2(inputs),
        num_warps=8,
        **dependent_launch(),
    )
    return out_TK
