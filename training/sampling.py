"""Plain samplers, one per family: slow on purpose, since they only have to be right.

Dimensions: B batch, P prompt, N output, L = P + N, V vocabulary.
"""

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, Qwen3ForCausalLM

from training.tokenizer import MASK_ID


def choose(logits_BLV: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """A token for each position, by the Gumbel-max trick in float64: shape [B, L]."""
    if temperature == 0:
        return logits_BLV.argmax(-1)
    uniform_BLV = torch.rand(logits_BLV.shape, generator=generator, device=logits_BLV.device, dtype=torch.float64)
    return (logits_BLV.double() - temperature * torch.log(-torch.log(uniform_BLV))).argmax(-1)


@torch.no_grad()
def sample_causal(
    model: LlamaForCausalLM | Qwen3ForCausalLM,
    prompt_BP: Tensor,
    tokens: int,
    temperature: float,
    generator: torch.Generator,
) -> Tensor:
    """Continue each prompt token by token, never stopping early: shape [B, N]."""
    canvas_BL = prompt_BP
    for _ in range(tokens):
        logits_B1V = model(input_ids=canvas_BL, use_cache=False, logits_to_keep=1).logits
        canvas_BL = torch.cat([canvas_BL, choose(logits_B1V, temperature, generator)], dim=1)
    return canvas_BL[:, prompt_BP.size(1) :]


@torch.no_grad()
def sample_diffusion(
    model: LlamaForCausalLM,
    prompt_BP: Tensor,
    tokens: int,
    temperature: float,
    generator: torch.Generator,
    *,
    steps: int,
) -> Tensor:
    """Unmask the whole output in `steps` steps, the most confident predictions first: shape [B, N].

    LLaDA's low-confidence remasking with one block: a step writes tokens // steps predictions, the first
    tokens % steps steps one more. Confidence is the untempered probability of the token chosen.
    """
    batch, start = prompt_BP.shape
    canvas_BL = torch.cat([prompt_BP, prompt_BP.new_full((batch, tokens), MASK_ID)], dim=1)
    for step in range(steps):
        logits_BNV = model(input_ids=canvas_BL).logits[:, start:].float()
        chosen_BN = choose(logits_BNV, temperature, generator)
        probability_BN = logits_BNV.softmax(-1).gather(-1, chosen_BN[..., None])[..., 0]
        open_BN = canvas_BL[:, start:] == MASK_ID
        confidence_BN = probability_BN.masked_fill(~open_BN, -torch.inf)
        count = tokens // steps + (step < tokens % steps)
        picked_BK = confidence_BN.topk(count, dim=1).indices
        canvas_BL[:, start:].scatter_(1, picked_BK, chosen_BN.gather(1, picked_BK))
    return canvas_BL[:, start:]
