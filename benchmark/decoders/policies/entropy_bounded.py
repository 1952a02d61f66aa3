"""As many positions as their entropies allow to be written together.

Ben-Hamu et al., Accelerated Sampling from Masked Diffusion Models via Entropy Bounded Unmasking, arXiv 2505.24857: with
entropies in rising order, each next position is written while those of the positions before it sum to at most gamma.
Entropies are in nats, of the vocabulary without the mask token, which is never written.

Dimensions: B rows, M positions of the block.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import descending, leading
from benchmark.decoders.policies.self_paced import SelfPaced
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class EntropyBounded(SelfPaced):
    """See Policy. Scores are negative entropies."""

    gamma: float
    score: Score = Score.entropy_of_tokens

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        del forward
        order_BM = descending(scores_BM)
        rising_BM = scores_BM.gather(1, order_BM).neg()
        before_BM = rising_BM.cumsum(dim=1).roll(1, dims=1)
        before_BM[:, 0] = -1.0
        return leading(order_BM, (before_BM <= self.gamma).sum(dim=1, keepdim=True))
