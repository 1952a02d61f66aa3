"""The gated product of many tokens, which never writes gate and up: SiLU(x @ gate.T) * (x @ up.T).

Each tile is computed twice side by side, once with the gate's weights and once with up's, which lie below them;
tiles are loaded and stored by the tensor memory accelerator. The library would write an output of twice the size and
read it again; the kernel saves that time, up to a tenth of a layer.

Dimensions: T tokens, K inputs, I outputs.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from benchmark.engines.kernels.gate import silu_gate
from benchmark.engines.kernels.hopper import is_hopper

try:
    from triton.tools.tensor_descriptor import TensorDescriptor
except ImportError:  # an older Triton: the library computes it then
    TensorDescriptor = None


class Tile(NamedTuple):
    """A tile's sizes, how many are on their way at once, and the warps that compute one."""

    tokens: int
    outputs: int
    inputs: int
    stages: int
    warps: int
    is_persistent: bool = False
    """Whether as many programs as the device has multiprocessors take turns with all tiles."""


TILES = {128: Tile(128, 32, 128, 4, 4), 256: Tile(128, 64, 64, 5, 8)}
LARGE = Tile(128, 128, 64, 4, 8, is_persistent=True)
"""For up to so many tokens, and for more: the best of a trial on an H100."""

TOKEN_TILES = 8
"""Tiles of tokens that are computed with the same weights before the next weights are fetched."""


@triton.jit(do_not_specialize=["tokens"])
def _swiglu_gemm(
    x, weight, out, tokens, outputs, inputs: tl.constexpr,
    token_block: tl.constexpr, output_block: tl.constexpr, input_block: tl.constexpr, group: tl.constexpr,
):  # fmt: skip
    token_tiles = tl.cdiv(tokens, token_block)
    tiles = token_tiles * (outputs // output_block)
    for tile in tl.range(tl.program_id(0), tiles, tl.num_programs(0)):
        first = tile // (group * (outputs // output_block)) * group
        size = tl.minimum(token_tiles - first, group)
        within = tile % (group * (outputs // output_block))
        token = (first + within % size) * token_block
        output = within // size * output_block
        gate = tl.zeros((token_block, output_block), tl.float32)
        up = tl.zeros((token_block, output_block), tl.float32)
        for inner in range(0, inputs, input_block):
            values = x.load([token, inner])
            gate = tl.dot(values, weight.load([output, inner]).T, gate)
            up = tl.dot(values, weight.load([outputs + output, inner]).T, up)
        out.store([token, output], silu_gate(gate, up, out.dtype).to(out.dtype))


def fits_swiglu(x_TK: Tensor, weight_2IK: Tensor) -> bool:
    """Whether `swiglu` can compute this product, and was faster than the library in a trial."""
    outputs, inputs = len(weight_2IK) // 2, weight_2IK.shape[1]
    tile = _tile(len(x_TK))
    whole = outputs % tile.outputs == 0 and inputs % tile.inputs == 0
    return whole and TensorDescriptor is not None and x_TK.dtype == torch.bfloat16 and is_hopper()


def swiglu(x_TK: Tensor, weight_2IK: Tensor, tile: Tile | None = None) -> Tensor:
    """SiLU of the first half of `x @ weight.T` times its second half, each rounded as the library does, [T, I]."""
    outputs, inputs = len(weight_2IK) // 2, weight_2IK.shape[1]
    out_TI = x_TK.new_empty(len(x_TK), outputs)
    tile = tile or _tile(len(x_TK))
    tiles = triton.cdiv(len(x_TK), tile.tokens) * (outputs // tile.outputs)
    _swiglu_gemm[(min(tiles, _multiprocessors()) if tile.is_persistent else tiles,)](
        TensorDescriptor.from_tensor(x_TK.contiguous(), [tile.tokens, tile.inputs]),
        TensorDescriptor.from_tensor(weight_2IK, [tile.outputs, tile.inputs]),
        TensorDescriptor.from_tensor(out_TI, [tile.tokens, tile.outputs]),
        *(len(x_TK), outputs, inputs),
        token_block=tile.tokens,
        output_block=tile.outputs,
        input_block=tile.inputs,
        group=TOKEN_TILES,
        num_warps=tile.warps,
        num_stages=tile.stages,
    )
    return out_TI


def _tile(tokens: int) -> Tile:
    return next((tile for most, tile in TILES.items() if tokens <= most), LARGE)


def _multiprocessors() -> int:
    return torch.cuda.get_device_properties(torch.cuda.current_device()).multi_processor_count
