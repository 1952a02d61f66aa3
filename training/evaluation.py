"""The figures of the model card: held-out likelihoods, and the judge's scores of both arms' texts.

Dimensions: B batch, P prompt, N output, V vocabulary.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from training.likelihood import bits_per_byte, bound, causal_nats
from training.sampling import sample_causal, sample_diffusion
from training.settings import CONTEXT, OUTPUT_TOKENS, PROMPT_TOKENS, Objective
from training.tokenizer import encode_stream

SAMPLING_SEED = 7

Sampler = Callable[[Tensor, float, torch.Generator], Tensor]
"""Continues prompts [B, P] at a temperature; [B, N]."""


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """Likelihood of the held-out novel, in windows of 512 tokens; for the diffusion model a bound."""

    nats_per_token: float
    bits_per_byte: float

    @property
    def perplexity(self) -> float:
        """Perplexity per token of the model's own tokenizer."""
        return math.exp(self.nats_per_token)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Continuations of one sampler. `entropy` is that of an output's token counts in nats, averaged over outputs."""

    label: str
    temperature: float | None
    perplexity: float
    entropy: float
    samples: tuple[str, ...]


def held_out_likelihood(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    objective: Objective,
    chapters: tuple[str, ...],
    draws: int,
) -> Likelihood:
    """Score the held-out novel."""
    stream = encode_stream(tokenizer, chapters).to(model.device)
    if objective is Objective.CAUSAL:
        nats = causal_nats(model, stream, CONTEXT)
    else:
        nats = bound(model, stream, CONTEXT, draws=draws)
    text_bytes = sum(len(chapter.encode()) for chapter in chapters)
    return Likelihood(nats_per_token=nats, bits_per_byte=bits_per_byte(nats, len(stream), text_bytes))


def output_entropy(output_BN: Tensor) -> float:
    """Entropy of the tokens of each output by their counts, in nats, averaged over outputs; at most log N."""
    entropies: list[float] = []
    for output_N in output_BN:
        share_V = torch.unique(output_N, return_counts=True)[1] / len(output_N)
        entropies.append(-(share_V * share_V.log()).sum().item())
    return sum(entropies) / len(entropies)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A causal model with a tokenizer of its own."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast

    @torch.no_grad()
    def perplexity(self, prompts: list[str], continuations: list[str]) -> float:
        """Perplexity of all continuations together, each given its prompt, per token of the judge.

        A judge's token that is partly prompt and partly continuation counts as continuation.
        """
        texts = [prompt + continuation for prompt, continuation in zip(prompts, continuations, strict=True)]
        encoded = self.tokenizer(texts, return_offsets_mapping=True, padding=True, return_tensors="pt")
        ids_BL = encoded["input_ids"].to(self.model.device)
        starts_B = torch.tensor([len(prompt) for prompt in prompts])
        ends_BL = encoded["offset_mapping"][..., 1]
        judged_BL = ((ends_BL > starts_B[:, None]) & encoded["attention_mask"].bool()).to(ids_BL.device)
        logits_BLV = self.model(input_ids=ids_BL).logits  # padding is on the right: nothing sees it
        nats_BL = functional.cross_entropy(logits_BLV[:, :-1].float().transpose(1, 2), ids_BL[:, 1:], reduction="none")
        return math.exp(float(nats_BL[judged_BL[:, 1:]].mean()))


@dataclass(frozen=True, kw_only=True)
class Continuations:
    """The documents whose beginnings are continued, and the judge of what is written. `count` of them are taken."""

    documents: list[str]
    count: int
    tokenizer: PreTrainedTokenizerFast
    judge: Judge

    def prompts(self) -> list[str]:
        """The beginnings as text."""
        texts: list[str] = self.tokenizer.batch_decode(self._tokens(0, PROMPT_TOKENS))
        return texts

    def compare(self, samplers: Mapping[str, Sampler], temperatures: Sequence[float]) -> list[Judged]:
        """The human continuation, then each sampler's at each temperature, by the samplers' labels."""
        prompt_BP = self._tokens(0, PROMPT_TOKENS)
        results = [self._judged("human", None, self._tokens(PROMPT_TOKENS, PROMPT_TOKENS + OUTPUT_TOKENS))]
        for temperature in tqdm(temperatures, desc="sampling"):
            for label, sample in samplers.items():
                generator = torch.Generator(prompt_BP.device).manual_seed(SAMPLING_SEED)
                results.append(self._judged(label, temperature, sample(prompt_BP, temperature, generator)))
        return results

    def _tokens(self, start: int, stop: int) -> Tensor:
        """Tokens `start` to `stop` of each document, where the judge is: shape [B, stop - start]."""
        ids = [self.tokenizer.encode(text)[start:stop] for text in self.documents[: self.count]]
        return torch.tensor(ids, device=self.judge.model.device)

    def _judged(self, label: str, temperature: float | None, output_BN: Tensor) -> Judged:
        """Decode the outputs and judge them."""
        texts = self.tokenizer.batch_decode(output_BN)
        return Judged(
            label=label,
            temperature=temperature,
            perplexity=self.judge.perplexity(self.prompts(), texts),
            entropy=output_entropy(output_BN),
            samples=tuple(texts),
        )


def samplers_of(
    causal: LlamaForCausalLM, diffusion: LlamaForCausalLM, every_steps: Sequence[int]
) -> dict[str, Sampler]:
    """The samplers by label: that of the causal model, and that of the diffusion model at each number of steps."""

    def causally(prompt_BP: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        return sample_causal(causal, prompt_BP, OUTPUT_TOKENS, temperature, generator)

    def by_diffusion(steps: int) -> Sampler:
        return lambda prompt_BP, temperature, generator: sample_diffusion(
            diffusion, prompt_BP, OUTPUT_TOKENS, temperature, generator, steps=steps
        )

    return {"causal": causally} | {f"K={steps}": by_diffusion(steps) for steps in every_steps}
