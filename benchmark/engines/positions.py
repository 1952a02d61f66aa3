"""Where tokens stand in their rows, and which of them may see which.

Dimensions: B rows, L tokens.
"""

from torch import Tensor


def rotary_positions(padding_BL: Tensor) -> Tensor:
    """Position of each token in its own row, padding not counted, as if the row stood alone."""
    return (~padding_BL).cumsum(dim=-1).sub(1).clamp(min=0)
