"""A plain block-diffusion sampler that keeps nothing between forwards: slow on purpose, it only has to be right.

Dimensions: B rows, P prompt, N output, L = whole blocks that hold both, V vocabulary.
"""

import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM

from training.sampling import choose
from training.tokenizer import MASK_ID
from training.twin.attention import block_causal
from training.twin.model import masked_logits


@torch.no_grad()
def sample_blocks(
    model: Qwen3ForCausalLM,
    prompt_BP: Tensor,
    tokens: int,
    temperature: float,
    generator: torch.Generator,
    *,
    block: int,
    steps: int,
) -> Tensor:
    """Unmask one block after the other, each in `steps` forwards, the most confident first: shape [B, N].

    SDAR's static rule. Blocks count from the prompt's first token. A forward writes block // steps predictions, the
    first block % steps forwards one more, and never more than are masked. The mask token is never written.
    """
    batch, start = prompt_BP.shape
    length = -(-(start + tokens) // block) * block
    canvas_BL = torch.cat([prompt_BP, prompt_BP.new_full((batch, length - start), MASK_ID)], dim=1)
    mask_LL = block_causal(length, block, prompt_BP.device)
    for first in range(start // block * block, length, block):
        for step in range(steps):
            stop = first + block
            open_BN = canvas_BL[:, first:stop] == MASK_ID
            count = min(block // steps + (step < block % steps), int(open_BN[0].sum()))
            if count == 0:
                break
            logits_BLV = masked_logits(model, canvas_BL[:, :stop], mask_LL[:stop, :stop])
            logits_BNV = logits_BLV[:, first:stop].float()
            logits_BNV[..., MASK_ID] = -torch.inf
            chosen_BN = choose(logits_BNV, temperature, generator)
            probability_BN = logits_BNV.softmax(-1).gather(-1, chosen_BN[..., None])[..., 0]
            picked_BK = probability_BN.masked_fill(~open_BN, -torch.inf).topk(count, dim=1).indices
            canvas_BL[:, first:stop].scatter_(1, picked_BK, chosen_BN.gather(1, picked_BK))
    return canvas_BL[:, start : start + tokens]
