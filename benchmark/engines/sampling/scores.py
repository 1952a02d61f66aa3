"""What positions are ranked by, computed from their logits beside the token that is chosen there.

Dimensions: V vocabulary, C positions of one chunk.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from benchmark.engines.sampling.head import CHUNK_LOGITS, Pick, TensorPick, noisy

DREAM_EPSILON = 1e-10

SORTED_SHARE = 4
"""How many times fewer yet where they are sorted."""

SCORED_SHARE = 4
"""How many times fewer logits at a time, for the probabilities that are computed beside them."""


class Score(StrEnum):
    """The higher the score, the earlier a position is written.

    confidence: probability of the chosen token.
    margin: probability of the first token less that of the second.
    entropy: negative entropy of the distribution over the whole vocabulary, in nats.
    entropy_of_tokens: the same of the vocabulary without the mask token.
    dream_entropy: the sum of p log(p + 1e-10), as Dream computes the first.
    chance: a random number, which needs no logits.
    """

    confidence = "confidence"
    margin = "margin"
    entropy = "entropy"
    entropy_of_tokens = "entropy_of_tokens"
    dream_entropy = "dream_entropy"
    chance = "chance"


@dataclass(frozen=True)
class ScoredPick:
    """A pick whose score is not the confidence; in tensor operations, on any device."""

    score: Score

    def chunk_logits(self, temperature: float) -> int:
        """See Pick."""
        return min(TensorPick().chunk_logits(temperature), CHUNK_LOGITS // SCORED_SHARE)

    def __call__(
        self, logits_CV: Tensor, cells_C: Tensor, temperature: float, forbidden_id: int | None
    ) -> tuple[Tensor, Tensor]:
        """See Pick."""
        logits_CV = logits_CV.float()
        scores_C = torch.empty(0)
        if self.score is not Score.entropy_of_tokens:
            scores_C = _score(self.score, logits_CV)
        if forbidden_id is not None:
            logits_CV[:, forbidden_id] = -torch.inf
        if self.score is Score.entropy_of_tokens:
            scores_C = _score(self.score, logits_CV)
        return noisy(logits_CV, cells_C, temperature).argmax(dim=-1), scores_C


@dataclass(frozen=True)
class DreamPick:
    """A pick as Dream's: temperature, top_p and top_k first, then the scores and the choice, in tensor operations.

    Tokens outside top_p and top_k get the lowest float32 instead of their logits, also at temperature 0. The score
    `confidence` is the probability of the token that is chosen.
    """

    score: Score
    top_p: float | None = None
    top_k: int | None = None

    def chunk_logits(self, temperature: float) -> int:
        """See Pick."""
        return ScoredPick(self.score).chunk_logits(temperature) // (1 if self.top_p is None else SORTED_SHARE)

    def __call__(
        self, logits_CV: Tensor, cells_C: Tensor, temperature: float, forbidden_id: int | None
    ) -> tuple[Tensor, Tensor]:
        """See Pick."""
        logits_CV = kept_by_top_p_and_top_k(logits_CV.float() / (temperature or 1.0), self.top_p, self.top_k)
        allowed_CV = logits_CV
        if forbidden_id is not None:
            allowed_CV = logits_CV.clone()
            allowed_CV[:, forbidden_id] = -torch.inf
        tokens_C = noisy(allowed_CV, cells_C, 1.0 if temperature else 0.0).argmax(dim=-1)
        if self.score is not Score.confidence:
            return tokens_C, _score(self.score, logits_CV)
        chosen_C = logits_CV.gather(-1, tokens_C[:, None]).squeeze(-1)
        return tokens_C, (chosen_C - logits_CV.logsumexp(dim=-1)).exp()


def kept_by_top_p_and_top_k(logits_CV: Tensor, top_p: float | None, top_k: int | None) -> Tensor:
    """The logits, the lowest number of their type at tokens outside of top_p and top_k."""
    lowest = torch.finfo(logits_CV.dtype).min
    if top_p is not None and top_p < 1:  # while the probability of the tokens before is at most top_p
        falling_CV, order_CV = logits_CV.sort(dim=-1, descending=True)
        over_CV = (falling_CV.softmax(dim=-1).cumsum(dim=-1) > top_p).roll(1, dims=-1)
        over_CV[:, 0] = False
        logits_CV = logits_CV.masked_fill(torch.zeros_like(over_CV).scatter_(-1, order_CV, over_CV), lowest)
    if top_k is not None:
        least_C1 = logits_CV.topk(min(top_k, logits_CV.shape[-1]), dim=-1).values[:, -1:]
        logits_CV = logits_CV.masked_fill(logits_CV < least_C1, lowest)
    return logits_CV


def pick_of(score: Score, usual: Pick, dream: DreamPick | None = None) -> Pick:
    """The pick that finds a score: `usual` where that is the confidence, or where no logits are needed for it.

    `dream` stands for all of them where a policy of Dream's cuts the distribution or heats it.
    """
    if dream is not None:
        return dream
    return usual if score in {Score.confidence, Score.chance} else ScoredPick(score)


def _score(score: Score, logits_CV: Tensor) -> Tensor:
    probabilities_CV = logits_CV.softmax(dim=-1)
    if score is Score.dream_entropy:
        summed_C: Tensor = (probabilities_CV * (probabilities_CV + DREAM_EPSILON).log()).sum(dim=-1)
        return summed_C
    if score is Score.margin:
        first_C, second_C = probabilities_CV.topk(2, dim=-1).values.unbind(dim=-1)
        return first_C - second_C
    entropies_C: Tensor = torch.special.entr(probabilities_CV).sum(dim=-1)
    return entropies_C.neg()
