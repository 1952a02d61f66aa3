"""How a window attends to kept keys, beside the attention kernel that a run names.

Under FlashAttention-2 two other kernels compute the same attention in less time, and the record names them. For few
queries it is a kernel of ours, of the same algorithm, with the rotation and the keys' places in it. For many it is
cuDNN's. Both need a Hopper GPU and no mask. Everywhere else the named kernel runs.

Dimensions: R rows, W tokens of a window, L of the canvas, H query heads, G key heads, d of a head, E = (H + 2 G) d.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend

from benchmark.engines.attention import Flash2Package, Flash2Torch, Kernel, Sdpa
from benchmark.engines.compiled.layer import Cache, Finish, Rotation, Sizes
from benchmark.engines.kernels.hopper import is_hopper

FEW_QUERIES = 64
MANY_QUERIES = 128
"""Queries that share a key head: up to the first our kernel is the fastest, from the second on cuDNN's."""

LEAST_HEADS = 128
"""Key heads of all rows from which our kernel is; with fewer the library's takes as long, with the rotation before it.

All three are from a trial on an H100: docs/results/cached-steps.md.
"""

RotateAmong = Callable[[Tensor, Rotation, Cache, Tensor, Finish], Tensor]
"""Rotates a fused product, puts its keys and values among the kept ones, and returns the queries."""


class Seen(NamedTuple):
    """What a window's queries see: by a mask, [R or 1, W, L], or the first keys of each row, or all."""

    mask_RWL: Tensor | None
    until_R: Tensor | None


class WindowAttention(Protocol):
    """Attention of one window, from the fused product of queries, keys and values."""

    @property
    def other_kernel(self) -> str | None:
        """What runs in place of the kernel that the run names, and why; None where that one runs."""

    def __call__(
        self, qkv_RWE: Tensor, finish: Finish, rotation: Rotation, kept_RLGd: Cache, positions_W: Tensor, seen: Seen
    ) -> Tensor:
        """Attention to the kept keys that are seen, [R, W, H, d], after the window's own have taken their places."""


@dataclass(frozen=True)
class RotatedFirst:
    """Rotation in a kernel before attention's."""

    kernel: Kernel
    rotate_among: RotateAmong
    other_kernel: str | None = None

    def __call__(
        self, qkv_RWE: Tensor, finish: Finish, rotation: Rotation, kept_RLGd: Cache, positions_W: Tensor, seen: Seen
    ) -> Tensor:
        """See WindowAttention."""
        q_RWHd = self.rotate_among(qkv_RWE, rotation, kept_RLGd, positions_W, finish)
        if seen.until_R is not None:
            return self.kernel.seen(q_RWHd, *kept_RLGd, seen.until_R, seen.mask_RWL)
        return self.kernel.full(q_RWHd, *kept_RLGd, seen.mask_RWL, causal=False)


@dataclass(frozen=True)
class InOneKernel:
    """Biases, norms, rotation, the keys' places and attention in one kernel of ours."""

    sizes: Sizes

    @property
    def other_kernel(self) -> str:
        """See WindowAttention."""
        return "own kernel, faster for few queries"

    def __call__(
        self, qkv_RWE: Tensor, finish: Finish, rotation: Rotation, kept_RLGd: Cache, positions_W: Tensor, seen: Seen
    ) -> Tensor:
        """See WindowAttention."""
        from benchmark.engines.kernels.window import plan_of, window_attention

        assert seen.mask_RWL is None
        return window_attention(
            qkv_RWE,
            rotation,
            kept_RLGd,
            positions_W,
            heads=self.sizes.heads,
            plan=plan_of(*kept_RLGd[0].shape[:3]),
            in_blocks=seen.until_R is not None,
            finish=finish,
            epsilon=self.sizes.epsilon,
        )


def window_attention_of(
    kernel: Kernel, rotate_among: RotateAmong, sizes: Sizes, window: int, keys: Tensor, *, in_blocks: bool
) -> WindowAttention:
    """The fastest attention for windows of so many tokens to keys such as `keys`, under the run's kernel.

    A window that is a block sees no keys behind itself, which cuDNN cannot be told on the device, and which lets our
    kernel read fewer keys.
    """
    usual = RotatedFirst(kernel, rotate_among)
    if not isinstance(kernel, Flash2Torch | Flash2Package) or not is_hopper():
        return usual
    queries = window * sizes.heads // sizes.key_heads
    _, rows, _, key_heads, _ = keys.shape
    if queries <= FEW_QUERIES and (in_blocks or rows * key_heads >= LEAST_HEADS):
        return InOneKernel(sizes)
    other = _cudnn(sizes, keys.dtype, keys.device) if queries >= MANY_QUERIES and not in_blocks else None
    return usual if other is None else RotatedFirst(other, rotate_among, f"{other.name}, faster for many queries")


@cache
def _cudnn(sizes: Sizes, dtype: torch.dtype, device: torch.device) -> Sdpa | None:
    """The attention of cuDNN, where it can be had."""
    kernel = Sdpa(SDPBackend.CUDNN_ATTENTION)
    queries = torch.zeros(1, MANY_QUERIES, sizes.heads, sizes.head, dtype=dtype, device=device)
    keys = torch.zeros(1, 2 * MANY_QUERIES, sizes.key_heads, sizes.head, dtype=dtype, device=device)
    try:
        kernel.full(queries, keys, keys, None, causal=False)
    except RuntimeError:  # PyTorch names no reason apart from its text
        return None
    return kernel
