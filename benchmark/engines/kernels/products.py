"""A layer's products by the kernel that is fastest for the number of tokens: one, a few, or many.

Dimensions: T tokens, K inputs, J outputs of a matrix.
"""

from torch import Tensor

from benchmark.engines.compiled.layer import Arranged, Cache, Finish, RotateInto, Rotation, Sizes
from benchmark.engines.compiled.products import Products
from benchmark.engines.kernels.gemv import gemv
from benchmark.engines.kernels.hopper import is_hopper
from benchmark.engines.kernels.norm import rms_norm
from benchmark.engines.kernels.rotation import TurnInto, fits_turning, turned_queries
from benchmark.engines.kernels.skinny import fits_skinny, skinny
from benchmark.engines.kernels.swiglu import fits_swiglu, swiglu

FILLED = {128: range(65, 113), 256: range(129, 256)}
"""Tokens that take longer than so many: the library and its tiles are made for whole tiles.

On an H100 128 tokens take less time than 66, by a fifth, and than 112, by a thirtieth; 256 take less than 160, by a
seventh, and than 192, by a tenth.
"""


class KernelProducts(Products):
    """See Products. The library computes the products that no kernel here is made for."""

    def filled(self, tokens: int) -> int:
        """See Products."""
        return next((full for full, fewer in FILLED.items() if tokens in fewer and is_hopper()), tokens)

    def norm(self, x: Tensor, norm_K: Tensor) -> Tensor:
        """See Products."""
        return _as(x, rms_norm(x.flatten(0, -2), norm_K, self.epsilon))

    def rotate_into(self, sizes: Sizes, arranged: Arranged) -> RotateInto:
        """See Products. One kernel for few tokens takes the place of three or more that the compiler makes."""
        usual, ours = super().rotate_into(sizes, arranged), TurnInto(sizes, arranged)

        def rotates(qkv: Tensor, rotation: Rotation, cache: Cache, positions_L: Tensor, finish: Finish) -> Tensor:
            if not _is_turned(qkv, rotation, finish, sizes):
                return usual(qkv, rotation, cache, positions_L, finish)
            return ours(qkv, rotation, cache, positions_L, finish)

        return rotates

    def rotate_queries(self, q_BLE: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes) -> Tensor:
        """See Products. One kernel takes the place of a dozen."""
        if not _is_turned(q_BLE, rotation, finish, sizes):
            return super().rotate_queries(q_BLE, rotation, finish, sizes)
        return turned_queries(q_BLE, rotation, finish, sizes)

    def plain(self, x: Tensor, weight_JK: Tensor) -> Tensor:
        """See Products."""
        x_TK = x.flatten(0, -2)
        if len(x_TK) == 1:
            return _as(x, gemv(x_TK, weight_JK))
        if fits_skinny(x_TK, weight_JK):
            return _as(x, skinny(x_TK, weight_JK))
        return super().plain(x, weight_JK)

    def normed(self, x: Tensor, norm_K: Tensor, weight_JK: Tensor) -> Tensor:
        """See Products."""
        x_TK = x.flatten(0, -2)
        if len(x_TK) == 1:
            return _as(x, gemv(x_TK, weight_JK, norm_K=norm_K, epsilon=self.epsilon))
        if fits_skinny(x_TK, weight_JK):
            return _as(x, skinny(self.norm(x_TK, norm_K), weight_JK))
        return super().normed(x, norm_K, weight_JK)

    def gated(self, x: Tensor, norm_K: Tensor, weight_JK: Tensor) -> Tensor:
        """See Products."""
        x_TK = x.flatten(0, -2)
        if len(x_TK) == 1:
            return _as(x, gemv(x_TK, weight_JK, norm_K=norm_K, epsilon=self.epsilon, is_gated=True))
        if fits_skinny(x_TK, weight_JK, is_gated=True):
            return _as(x, skinny(self.norm(x_TK, norm_K), weight_JK, is_gated=True))
        if fits_swiglu(x_TK, weight_JK):
            return _as(x, swiglu(self.norm(x_TK, norm_K), weight_JK))
        return super().gated(x, norm_K, weight_JK)

    def added(self, x: Tensor, weight_JK: Tensor, residual: Tensor) -> Tensor:
        """See Products."""
        x_TK, residual_TJ = x.flatten(0, -2), residual.flatten(0, -2)
        if len(x_TK) == 1:
            return _as(x, gemv(x_TK, weight_JK, residual_1J=residual_TJ))
        if fits_skinny(x_TK, weight_JK):
            return _as(x, skinny(x_TK, weight_JK, residual_TJ=residual_TJ))
        return super().added(x, weight_JK, residual)


def _is_turned(product: Tensor, rotation: Rotation, finish: Finish, sizes: Sizes) -> bool:
    """Whether our kernel was tried there on a GPU: with norms or biases, and without for one token a row."""
    is_tried = not finish.is_nothing or (product.shape[1] == 1 and product.shape[2] > sizes.queries)
    return is_tried and fits_turning(product, rotation, sizes)


def _as(x: Tensor, out_TJ: Tensor) -> Tensor:
    """The outputs in the shape of the tokens of x."""
    out: Tensor = out_TJ.unflatten(0, x.shape[:-1])
    return out
