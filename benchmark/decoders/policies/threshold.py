"""All positions at least as confident as a threshold, and always the most confident one.

Wu et al., Fast-dLLM, arXiv 2505.22618, section 3.3 (confidence-aware parallel decoding).
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import descending, ranks
from benchmark.decoders.policies.self_paced import SelfPaced
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class Threshold(SelfPaced):
    """See Policy."""

    threshold: float
    score: Score = Score.confidence

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        del forward
        return (scores_BM >= self.threshold) | (ranks(descending(scores_BM)) == 0)
