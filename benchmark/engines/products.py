"""Matrix products with a layer's weights: the library's, or for a single token a kernel that only streams weights.

Dimensions: T tokens, K inputs, J outputs of a matrix.
"""

from torch import Tensor, addmm, nn
from torch.nn.functional import linear


def product(x: Tensor, weight_JK: Tensor, residual: Tensor | None = None) -> Tensor:
    """`x @ weight.T`, plus the residual if there is one, over the last dimension."""
    x_TK = x.flatten(0, -2)
    residual_TJ = None if residual is None else residual.flatten(0, -2)
    if len(x_TK) == 1 and x.is_cuda:
        from benchmark.engines.streaming_kernels import stream_product  # Triton, which not every machine has

        out_TJ = stream_product(x_TK, weight_JK, residual_TJ)
    elif residual_TJ is None:
        out_TJ = linear(x_TK, weight_JK)
    else:
        out_TJ = addmm(residual_TJ, x_TK, weight_JK.t())
    out: Tensor = out_TJ.unflatten(0, x.shape[:-1])
    return out


class Projection(nn.Module):
    """A bias-free linear layer that computes with `product`; the weight is another module's."""

    def __init__(self, weight_JK: Tensor) -> None:
        super().__init__()
        self.out_features = len(weight_JK)
        self._weight = weight_JK

    def forward(self, x: Tensor) -> Tensor:
        """See product."""
        return product(x, self._weight)
