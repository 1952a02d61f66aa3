"""Block diffusion's loss.

A block with n positions has k of them masked, k uniform on 1 to n and the places at random; the loss is the mean
cross-entropy of those k. In expectation over k and the places it is the same bound, in nats a token, as LLaDA's
integral over mask probabilities (equations 3 and 6 of arXiv 2502.09992), taken block by block given the clean blocks
before (arXiv 2503.09573).

Dimensions: B rows, L window length, M blocks of all rows, N block length.
"""

import torch
from torch import Tensor

from training.losses import Corruption
from training.tokenizer import MASK_ID


def mask_counts(blocks: int, block_length: int, generator: torch.Generator) -> Tensor:
    """How many positions of each block are masked: 1 to `block_length`, each as often as the others; shape [M]."""
    device = generator.device
    order_M = torch.randperm(blocks, generator=generator, device=device)
    start = torch.randint(block_length, (1,), generator=generator, device=device)
    return (order_M + start) % block_length + 1


def corrupt_blocks(clean_BL: Tensor, block_length: int, generator: torch.Generator) -> Corruption:
    """Mask a random part of every block; the weights make the summed cross-entropy the bound in nats a token."""
    clean_MN = clean_BL.reshape(-1, block_length)
    count_M = mask_counts(len(clean_MN), block_length, generator)
    uniform_MN = torch.rand(clean_MN.shape, generator=generator, device=clean_BL.device)
    rank_MN = uniform_MN.argsort(dim=1).argsort(dim=1)
    masked_MN = rank_MN < count_M[:, None]
    weight_MN = masked_MN / (count_M[:, None] * len(clean_MN))
    noisy_MN = torch.where(masked_MN, MASK_ID, clean_MN)
    return Corruption(noisy_BL=noisy_MN.view_as(clean_BL), weight_BL=weight_MN.view(clean_BL.shape))
