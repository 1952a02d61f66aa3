"""The figures of the twin's card: held-out likelihoods, and the judge's scores of what it writes either way.

Dimensions: B rows, P prompt, N output.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

from training.evaluation import SAMPLING_SEED, Judge, Judged, Likelihood, output_entropy
from training.likelihood import bits_per_byte, causal_nats
from training.sampling import sample_causal
from training.settings import CONTEXT, OUTPUT_TOKENS, PROMPT_TOKENS
from training.tokenizer import encode_stream
from training.twin.likelihood import block_bound
from training.twin.sampling import sample_blocks
from training.twin.settings import Twin

Sampler = Callable[[Tensor, float, torch.Generator], Tensor]
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


@dataclass(frozen=True, kw_only=True)
class Arena:
    """The twin, the judge, and the documents whose beginnings the twin continues."""

    twin: Twin
    model: Qwen3ForCausalLM
    tokenizer: PreTrainedTokenizerFast
    judge: Judge
    documents: list[str]

    def likelihoods(self, chapters: tuple[str, ...]) -> dict[str, Likelihood]:
        """Of the held-out novel, in windows of 512 tokens: exact token by token, a bound for each block length."""
        stream = encode_stream(self.tokenizer, chapters).to(self.model.device)
        text_bytes = sum(len(chapter.encode()) for chapter in chapters)
        nats = {CAUSAL: causal_nats(self.model, stream, CONTEXT)}
        for block in sorted({*self.twin.blocks}):
            bound = block_bound(self.model, stream, CONTEXT, block=block, draws=self.twin.bound_draws)
            nats[f"blocks of {block}"] = bound
        return {
            way: Likelihood(nats_per_token=each, bits_per_byte=bits_per_byte(each, len(stream), text_bytes))
            for way, each in nats.items()
        }

    def tokens(self, start: int, stop: int) -> Tensor:
        """Tokens `start` to `stop` of each document: shape [B, stop - start]."""
        ids = [self.tokenizer.encode(text)[start:stop] for text in self.documents[: self.twin.prompts]]
        return torch.tensor(ids, device=self.model.device)

    def judged(self, label: str, temperature: float | None, output_BN: Tensor) -> Judged:
        """Decode the outputs and judge them."""
        texts = self.tokenizer.batch_decode(output_BN)
        return Judged(
            label=label,
            temperature=temperature,
            perplexity=self.judge.perplexity(self.prompts(), texts),
            entropy=output_entropy(output_BN),
            samples=tuple(texts),
        )

    def prompts(self) -> list[str]:
        """The beginnings as text."""
        texts: list[str] = self.tokenizer.batch_decode(self.tokens(0, PROMPT_TOKENS))
        return texts

    def compare(self) -> list[Judged]:
        """The human continuation, then each way of generating at each temperature."""
        prompt_BP = self.tokens(0, PROMPT_TOKENS)
        results = [self.judged("human", None, self.tokens(PROMPT_TOKENS, PROMPT_TOKENS + OUTPUT_TOKENS))]
        for temperature in tqdm(self.twin.temperatures, desc="sampling"):
            for label, sample in self.samplers().items():
                generator = torch.Generator(prompt_BP.device).manual_seed(SAMPLING_SEED)
                results.append(self.judged(label, temperature, sample(prompt_BP, temperature, generator)))
        return results

    def samplers(self) -> dict[str, Sampler]:
        """The samplers by label."""

        def causal(prompt_BP: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
            return sample_causal(self.model, prompt_BP, OUTPUT_TOKENS, temperature, generator)

        def blocks(way: Way) -> Sampler:
            steps = way.steps // (OUTPUT_TOKENS // way.block)
            return lambda prompt_BP, temperature, generator: sample_blocks(
                self.model, prompt_BP, OUTPUT_TOKENS, temperature, generator, block=way.block, steps=steps
            )

        return {CAUSAL: causal} | {way.label: blocks(way) for way in ways(self.twin)}
