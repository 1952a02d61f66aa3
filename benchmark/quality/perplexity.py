"""Likelihood of generated text under a judge, in the judge's own tokens.

Dimensions: L tokens of one window, V vocabulary.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from benchmark.models.loading import LanguageModel
from benchmark.models.tokens import backend, leading_ids, text_ids
from crossover.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Likelihood:
    """Negative log-likelihood of a continuation, summed over its `tokens`.

    The perplexity of a set of continuations is exp(sum of nll_nats / sum of tokens).
    """

    nll_nats: float
    tokens: int


@dataclass(frozen=True, kw_only=True)
class PerplexityJudge:
    """A causal model that reads a prompt and says how likely its continuation is."""

    model: LanguageModel
    tokenizer: "PreTrainedTokenizerBase"

    @torch.inference_mode()
    def score(self, prompt: str, continuation: str) -> Likelihood | None:
        """The continuation's likelihood given its prompt; None without text, or where the judge overflows.

        Before the prompt stands what the judge's tokenizer puts before a text; what it puts behind one is left out.
        Text that exceeds the judge's context is read in windows that advance by half a context.
        """
        plain = backend(self.tokenizer)
        given = leading_ids(plain) + text_ids(plain, prompt)
        scored = text_ids(plain, continuation)
        tokens = given + scored
        self._check_known(tokens)
        start = first = max(1, len(given))  # without a prompt the first token has nothing to be predicted from
        nll_nats = 0.0
        if not scored or first == len(tokens):
            return None
        while start < len(tokens):
            end = min(len(tokens), max(self.model.context, start + max(1, self.model.context // 2)))
            window = tokens[max(0, end - self.model.context) : end]
            nll_nats += self._nll(window, end - start)
            start = end
        if not math.isfinite(nll_nats):
            return None
        return Likelihood(nll_nats=nll_nats, tokens=len(tokens) - first)

    def _check_known(self, tokens: list[int]) -> None:
        if tokens and max(tokens) >= self.model.vocabulary:
            raise UserError(
                f"its tokenizer gives token {max(tokens)} and the model has embeddings for 0 to"
                f" {self.model.vocabulary - 1}: put the tokenizer of this model beside its weights"
            )

    def _nll(self, window: list[int], count: int) -> float:
        """Negative log-likelihood of the window's last `count` tokens, given those before them."""
        tokens_L = torch.tensor(window, device=self.model.device)
        hidden_LD = self.model.body(input_ids=tokens_L[None], use_cache=False).last_hidden_state[0]
        logits_LV = self.model.head(hidden_LD[-count - 1 : -1]).float()
        return float(torch.nn.functional.cross_entropy(logits_LV, tokens_L[-count:], reduction="sum"))
