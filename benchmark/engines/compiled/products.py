"""The matrix products of a decoder layer, each with the norm before it and the gate or residual after it.

Dimensions: T tokens, K inputs, J outputs of a matrix.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from benchmark.engines.compiled.layer import (
    Arranged,
    Finish,
    RotateInto,
    Rotation,
    Sizes,
    gate,
    rms_norm,
    rotate_into,
    rotate_queries,
)

Function = Callable[..., Any]


class Products:
    """A layer's products by the library, with norm and gate beside them. Each works on the last dimension.

    Norm and gate are compiled anew for each shape. Use `uncompiled` where the number of tokens changes all the time.
    """

    def __init__(self, epsilon: float, *, compiles: bool = True) -> None:
        self.epsilon = epsilon
        wrapped: Callable[[Function], Function] = compiled if compiles else _as_it_is
        self._norm, self._gate = wrapped(partial(rms_norm, epsilon=epsilon)), wrapped(gate)

    def uncompiled(self) -> Self:
        """The same, with nothing compiled."""
        return type(self)(self.epsilon, compiles=False)

    def filled(self, tokens: int) -> int:
        """How many tokens to compute so that so many take the least time. What is in the others does not matter."""
        return tokens

    def norm(self, x: Tensor, norm_K: Tensor) -> Tensor:
        """The root-mean-square norm alone."""
        normed: Tensor = self._norm(x, norm_K)
        return normed

    def rotate_into(self, sizes: Sizes, arranged: Arranged) -> RotateInto:
        """layer.rotate_into for heads of these sizes."""
        rotates: RotateInto = compiled(partial(rotate_into, sizes=sizes, arranged=arranged))
        return rotates

    def rotate_queries(self, q_BLE: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes) -> Tensor:
        """layer.rotate_queries, not compiled, for any number of tokens."""
        return rotate_queries(q_BLE, rotation, finish, sizes)

    def plain(self, x: Tensor, weight_JK: Tensor) -> Tensor:
        """`x @ weight.T`."""
        return linear(x, weight_JK)

    def normed(self, x: Tensor, norm_K: Tensor, weight_JK: Tensor) -> Tensor:
        """`norm(x) @ weight.T`."""
        return linear(self.norm(x, norm_K), weight_JK)

    def gated(self, x: Tensor, norm_K: Tensor, weight_JK: Tensor) -> Tensor:
        """SiLU of the first half of `norm(x) @ weight.T` times its second half."""
        gated: Tensor = self._gate(linear(self.norm(x, norm_K), weight_JK))
        return gated

    def added(self, x: Tensor, weight_JK: Tensor, residual: Tensor) -> Tensor:
        """`x @ weight.T + residual`, which may take the residual's memory for the sum."""
        out: Tensor = residual.flatten(0, -2).addmm_(x.flatten(0, -2), weight_JK.t()).unflatten(0, x.shape[:-1])
        return out


def compiled(function: Function) -> Function:
    """The function, compiled for each shape that it meets."""
    return torch.compile(function, fullgraph=True, dynamic=False)


def _as_it_is(function: Function) -> Function:
    return function


class Projection(nn.Module):
    """A bias-free linear layer that computes with `products`; the weight is another module's."""

    def __init__(self, weight_JK: Tensor, products: Products) -> None:
        super().__init__()
        self.out_features = len(weight_JK)
        self._weight = weight_JK
        self._products = products

    def forward(self, x: Tensor) -> Tensor:
        """See Products.plain."""
        return self._products.plain(x, self._weight)
