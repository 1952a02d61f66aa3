"""The two training losses.

Dimensions: B batch, L window length, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MINIMUM_TIME = 1e-3
PROMPTED_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """A batch with masks in it; `weight_BL` is zero wherever nothing is to be predicted."""

    noisy_BL: Tensor
    weight_BL: Tensor


def stratified_times(batch: int, generator: torch.Generator) -> Tensor:
    """Mask probabilities t, uniform on (0, 1], one from each of `batch` equal slices: shape [B]."""
    device = generator.device
    offset = torch.rand(1, generator=generator, device=device)
    slices_B = (torch.arange(batch, device=device) + offset) / batch
    order_B = torch.randperm(batch, generator=generator, device=device)
    return MINIMUM_TIME + (1 - MINIMUM_TIME) * slices_B[order_B]


def prompt_lengths(batch: int, length: int, generator: torch.Generator) -> Tensor:
    """Number of leading tokens that are never masked: 0 for half the rows, else up to half the window; shape [B]."""
    device = generator.device
    lengths_B = torch.randint(1, length // 2 + 1, (batch,), generator=generator, device=device)
    has_prompt_B = torch.rand(batch, generator=generator, device=device) < PROMPTED_SHARE
    return lengths_B * has_prompt_B


def corrupt(clean_BL: Tensor, time_B: Tensor, prompt_B: Tensor, mask_id: int, generator: torch.Generator) -> Corruption:
    """Mask each token after the prompt with probability t.

    The weights make the summed cross-entropy LLaDA's bound in nats a token: 1 / t for each masked token,
    over the tokens that could have been masked (equations 3 and 5 of arXiv 2502.09992), averaged over rows.
    """
    batch, length = clean_BL.shape
    uniform_BL = torch.rand(clean_BL.shape, generator=generator, device=clean_BL.device)
    answer_BL = torch.arange(length, device=clean_BL.device) >= prompt_B[:, None]
    masked_BL = (uniform_BL < time_B[:, None]) & answer_BL
    scale_B = 1 / (time_B * (length - prompt_B) * batch)
    return Corruption(noisy_BL=torch.where(masked_BL, mask_id, clean_BL), weight_BL=masked_BL * scale_B[:, None])


def diffusion_loss(logits_BLV: Tensor, clean_BL: Tensor, weight_BL: Tensor) -> Tensor:
    """The weighted cross-entropy of masked tokens: an upper bound, in nats a token, in expectation."""
    nats_BL = functional.cross_entropy(logits_BLV.float().transpose(1, 2), clean_BL, reduction="none")
    return (nats_BL * weight_BL).sum()


def causal_loss(logits_BLV: Tensor, next_BL: Tensor) -> Tensor:
    """The mean cross-entropy of the next tokens, in nats a token."""
    return functional.cross_entropy(logits_BLV.float().transpose(1, 2), next_BL)
