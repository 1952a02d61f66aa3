"""Positions of tokens in their rows.

Dimensions: B rows, L tokens.
"""

from torch import Tensor


def rotary_positions(padding_BL: Tensor) -> Tensor:
    """Position of each token in its own row, without padding, as if the row were alone."""
    return (~padding_BL).cumsum(dim=-1).sub(1).clamp(min=0)
