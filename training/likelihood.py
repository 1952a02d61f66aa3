"""How well a model predicts text it has not seen: exact for a causal model, a bound for a diffusion one.

Dimensions: B batch, L window length.
"""

import math

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, Qwen3ForCausalLM

from training.losses import causal_loss, corrupt, diffusion_loss, stratified_times
from training.tokenizer import MASK_ID

BATCH = 64


def windows_of(stream: Tensor, length: int) -> list[Tensor]:
    """The stream cut into consecutive windows, in batches of up to 64: each of shape [B, L]."""
    count = len(stream) // length
    return list(stream[: count * length].view(count, length).split(BATCH))


@torch.no_grad()
def causal_nats(model: LlamaForCausalLM | Qwen3ForCausalLM, stream: Tensor, length: int) -> float:
    """Nats a token, over windows of `length` tokens; the first of each is context alone."""
    total, rows = 0.0, 0
    for window_BL in windows_of(stream, length):
        logits_BLV = model(input_ids=window_BL[:, :-1], use_cache=False).logits
        total += causal_loss(logits_BLV, window_BL[:, 1:]).item() * len(window_BL)
        rows += len(window_BL)
    return total / rows


@torch.no_grad()
def bound(model: LlamaForCausalLM, stream: Tensor, length: int, *, draws: int) -> float:
    """LLaDA's upper bound in nats a token: the mean over `draws` stratified maskings of every window."""
    generator = torch.Generator(stream.device).manual_seed(0)
    total, rows = 0.0, 0
    for window_BL in windows_of(stream, length) * draws:
        time_B = stratified_times(len(window_BL), generator)
        prompt_B = torch.zeros_like(time_B, dtype=torch.int64)
        corruption = corrupt(window_BL, time_B, prompt_B, MASK_ID, generator)
        logits_BLV = model(input_ids=corruption.noisy_BL).logits
        total += diffusion_loss(logits_BLV, window_BL, corruption.weight_BL).item() * len(window_BL)
        rows += len(window_BL)
    return total / rows


def bits_per_byte(nats_per_token: float, tokens: int, text_bytes: int) -> float:
    """The same loss in a unit that does not depend on the tokenizer."""
    return nats_per_token * tokens / text_bytes / math.log(2)
