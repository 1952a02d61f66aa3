"""The figures of the twin's card: held-out likelihoods, and the ways in which it writes the texts that are judged.

Dimensions: B rows, P prompt, N output.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from training.evaluation import Likelihood, Sampler
from training.likelihood import bits_per_byte, causal_nats
from training.sampling import sample_causal
from training.settings import CONTEXT, OUTPUT_TOKENS
from training.tokenizer import encode_stream
from training.twin.likelihood import block_bound
from training.twin.sampling import sample_blocks
from training.twin.settings import Twin

CAUSAL = "token by token"


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way of generating: blocks of `block` tokens in `steps` forwards for the whole output."""

    block: int
    steps: int

    @property
    def label(self) -> str:
        """How the card names it."""
        return f"blocks of {self.block}, K={self.steps}"


def ways(twin: Twin) -> list[Way]:
    """Blocks of the length of config.json, with every number of steps that they divide."""
    block = twin.block_length
    return [Way(block=block, steps=steps) for steps in twin.steps if steps % (OUTPUT_TOKENS // block) == 0]


def likelihoods_of(
    twin: Twin, model: Qwen3ForCausalLM, tokenizer: PreTrainedTokenizerFast, chapters: tuple[str, ...]
) -> dict[str, Likelihood]:
    """Of the held-out novel, in windows of 512 tokens: exact token by token, a bound for each block length."""
    stream = encode_stream(tokenizer, chapters).to(model.device)
    text_bytes = sum(len(chapter.encode()) for chapter in chapters)
    nats = {CAUSAL: causal_nats(model, stream, CONTEXT)}
    for block in sorted({*twin.blocks}):
        bound = block_bound(model, stream, CONTEXT, block=block, draws=twin.bound_draws)
        nats[f"blocks of {block}"] = bound
    return {
        way: Likelihood(nats_per_token=each, bits_per_byte=bits_per_byte(each, len(stream), text_bytes))
        for way, each in nats.items()
    }


def samplers_of(twin: Twin, model: Qwen3ForCausalLM) -> dict[str, Sampler]:
    """The samplers by label."""

    def causal(prompt_BP: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        return sample_causal(model, prompt_BP, OUTPUT_TOKENS, temperature, generator)

    def blocks(way: Way) -> Sampler:
        steps = way.steps // (OUTPUT_TOKENS // way.block)
        return lambda prompt_BP, temperature, generator: sample_blocks(
            model, prompt_BP, OUTPUT_TOKENS, temperature, generator, block=way.block, steps=steps
        )

    return {CAUSAL: causal} | {way.label: blocks(way) for way in ways(twin)}
