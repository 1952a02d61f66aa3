"""What positions are ranked by, computed from their logits beside the token that is chosen there.

Dimensions: V vocabulary, C positions of one chunk.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from benchmark.engines.sampling.head import CHUNK_LOGITS, Pick, TensorPick, noisy

SCORED_SHARE = 4
"""How many times fewer logits at a time, for the probabilities that are computed beside them."""


class Score(StrEnum):
    """The higher the score, the earlier a position is written.

    confidence: probability of the chosen token.
    margin: probability of the first token less that of the second.
    entropy: negative entropy of the distribution over the whole vocabulary, in nats.
    entropy_of_tokens: the same of the vocabulary without the mask token.
    chance: a random number, which needs no logits.
    """

    confidence = "confidence"
    margin = "margin"
    entropy = "entropy"
    entropy_of_tokens = "entropy_of_tokens"
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


def pick_of(score: Score, usual: Pick) -> Pick:
    """The pick that finds a score: `usual` where that is the confidence, or where no logits are needed for it."""
    return usual if score in {Score.confidence, Score.chance} else ScoredPick(score)


def _score(score: Score, logits_CV: Tensor) -> Tensor:
    probabilities_CV = logits_CV.softmax(dim=-1)
    if score is Score.margin:
        first_C, second_C = probabilities_CV.topk(2, dim=-1).values.unbind(dim=-1)
        return first_C - second_C
    entropies_C: Tensor = torch.special.entr(probabilities_CV).sum(dim=-1)
    return entropies_C.neg()
