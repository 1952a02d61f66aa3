"""Who sees whom: masks for training with both objectives in one pass, and for block diffusion afterwards.

A mask is true where the position of its row (a query) may attend to the position of its column (a key).
Dimensions: L window length, C = 2 L positions of a row.
"""

import torch
from torch import Tensor


def block_causal(length: int, block: int, device: torch.device) -> Tensor:
    """Each position sees its own block and those before it: shape [L, L]."""
    block_L = torch.arange(length, device=device) // block
    return block_L[:, None] >= block_L[None]


def two_causal_windows(length: int, device: torch.device) -> Tensor:
    """Two windows side by side, each causal, neither seeing the other: shape [C, C]."""
    causal_LL = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    none_LL = torch.zeros_like(causal_LL)
    return torch.cat([torch.cat([causal_LL, none_LL], dim=1), torch.cat([none_LL, causal_LL], dim=1)])


def noisy_beside_clean(length: int, block: int, device: torch.device) -> Tensor:
    """A window with masks in it, then the same window without: shape [C, C].

    A noisy block sees itself and the clean blocks before it, as a block does while it is decoded. A clean block sees
    itself and the clean blocks before it, as a finished block does when its keys and values are kept.
    """
    block_L = torch.arange(length, device=device) // block
    own_LL = block_L[:, None] == block_L[None]
    earlier_LL = block_L[:, None] > block_L[None]
    noisy_LC = torch.cat([own_LL, earlier_LL], dim=1)
    clean_LC = torch.cat([torch.zeros_like(own_LL), own_LL | earlier_LL], dim=1)
    return torch.cat([noisy_LC, clean_LC])
