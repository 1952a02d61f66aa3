"""How well the twin predicts text it has not seen, block by block: an upper bound.

Dimensions: B rows, L window length, C = 2 L.
"""

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM

from training.likelihood import windows_of
from training.losses import diffusion_loss
from training.twin.attention import noisy_beside_clean
from training.twin.losses import corrupt_blocks
from training.twin.model import masked_logits


@torch.no_grad()
def block_bound(model: Qwen3ForCausalLM, stream: Tensor, length: int, *, block: int, draws: int) -> float:
    """The upper bound in nats a token: the mean over `draws` maskings of every window, the same ones at every call."""
    generator = torch.Generator(stream.device).manual_seed(0)
    mask_CC = noisy_beside_clean(length, block, stream.device)
    position_C = torch.arange(length, device=stream.device).repeat(2)
    total, rows = 0.0, 0
    for window_BL in windows_of(stream, length) * draws:
        corruption = corrupt_blocks(window_BL, block, generator)
        ids_BC = torch.cat([corruption.noisy_BL, window_BL], dim=1)
        logits_BLV = masked_logits(model, ids_BC, mask_CC, position_C)[:, :length]
        total += diffusion_loss(logits_BLV, window_BL, corruption.weight_BL).item() * len(window_BL)
        rows += len(window_BL)
    return total / rows
