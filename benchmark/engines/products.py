"""The matrix products of a decoder layer, each with what surrounds it: the norm before, the gate or residual behind.

Which kernel computes one depends on the number of tokens alone: one, a few, or many. The library's products, with
norm and gate compiled beside them, can compute all of them and are what runs where no kernel of ours is faster.

Dimensions: T tokens, K inputs, J outputs of a matrix.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from benchmark.engines.layer import gate, rms_norm


class Products:
    """A layer's products, for norms of one epsilon. Each works on the last dimension."""

    def __init__(self, epsilon: float) -> None:
        self._epsilon = epsilon
        self._norm = compiled(partial(rms_norm, epsilon=epsilon))
        self._gate = compiled(gate)

    def norm(self, x: Tensor, norm_K: Tensor) -> Tensor:
        """The root-mean-square norm alone."""
        normed: Tensor = self._norm(x, norm_K)
        return normed

    def normed(self, x: Tensor, norm_K: Tensor, weight_JK: Tensor) -> Tensor:
        """`norm(x) @ weight.T`."""
        if _is_one_token(x):
            from benchmark.engines.kernels.gemv import gemv

            return _over_tokens(x, partial(gemv, weight_JK=weight_JK, norm_K=norm_K, epsilon=self._epsilon))
        return product(self.norm(x, norm_K), weight_JK)

    def gated(self, x: Tensor, norm_K: Tensor, weight_JK: Tensor) -> Tensor:
        """SiLU of the first half of `norm(x) @ weight.T` times its second half."""
        if _is_one_token(x):
            from benchmark.engines.kernels.gemv import gemv

            norm = partial(gemv, norm_K=norm_K, epsilon=self._epsilon)
            return _over_tokens(x, partial(norm, weight_JK=weight_JK, is_gated=True))
        return _over_tokens(self.norm(x, norm_K), partial(self._gated, weight_JK))

    def added(self, x: Tensor, weight_JK: Tensor, residual: Tensor) -> Tensor:
        """`x @ weight.T + residual`, which may take the residual's memory for the sum."""
        return product(x, weight_JK, residual)

    def _gated(self, weight_JK: Tensor, x_TK: Tensor) -> Tensor:
        if x_TK.is_cuda:
            from benchmark.engines.kernels.skinny import fits_skinny, skinny
            from benchmark.engines.kernels.swiglu import fits_swiglu, swiglu

            if fits_skinny(x_TK, weight_JK, is_gated=True):
                return skinny(x_TK, weight_JK, is_gated=True)
            if fits_swiglu(x_TK, weight_JK):
                return swiglu(x_TK, weight_JK)
        gated: Tensor = self._gate(linear(x_TK, weight_JK))
        return gated


def product(x: Tensor, weight_JK: Tensor, residual: Tensor | None = None) -> Tensor:
    """`x @ weight.T`, plus the residual if there is one, whose memory may be taken, over the last dimension."""
    residual_TJ = None if residual is None else residual.flatten(0, -2)
    return _over_tokens(x, partial(_product, weight_JK, residual_TJ))


def _product(weight_JK: Tensor, residual_TJ: Tensor | None, x_TK: Tensor) -> Tensor:
    if x_TK.is_cuda:
        from benchmark.engines.kernels.gemv import gemv
        from benchmark.engines.kernels.skinny import fits_skinny, skinny

        if len(x_TK) == 1:
            return gemv(x_TK, weight_JK, residual_1J=residual_TJ)
        if fits_skinny(x_TK, weight_JK):
            return skinny(x_TK, weight_JK, residual_TJ=residual_TJ)
    return linear(x_TK, weight_JK) if residual_TJ is None else residual_TJ.addmm_(x_TK, weight_JK.t())


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, compiled for each shape that it meets."""
    return torch.compile(function, fullgraph=True, dynamic=False)


class Projection(nn.Module):
    """A bias-free linear layer that computes with `product`; the weight is another module's."""

    def __init__(self, weight_JK: Tensor) -> None:
        super().__init__()
        self.out_features = len(weight_JK)
        self._weight = weight_JK

    def forward(self, x: Tensor) -> Tensor:
        """See product."""
        return product(x, self._weight)


def _is_one_token(x: Tensor) -> bool:
    return x.is_cuda and x.numel() == x.shape[-1]


def _over_tokens(x: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply work on [T, K] to x of any shape [..., K]."""
    out: Tensor = work(x.flatten(0, -2)).unflatten(0, x.shape[:-1])
    return out
