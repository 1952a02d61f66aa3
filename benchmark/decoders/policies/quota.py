"""The published schedule: each step writes its share of the block, the positions of the highest scores.

Nie et al., Large Language Diffusion Models, arXiv 2502.09992, algorithm 5: floor(b / S) of b positions at each of S
steps, the first b mod S steps one more. There the score is the confidence; `margin`, `entropy` and `random` keep the
schedule and rank by another.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import descending, ranks
from benchmark.decoders.schedule import transfers
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class Quota:
    """See Policy. `steps` are those of one block."""

    steps: int
    block_length: int
    score: Score = Score.confidence

    @property
    def most_forwards(self) -> int:
        """See Policy."""
        return self.steps

    def planned(self, forward: int) -> int | None:
        """See Policy."""
        return self.share(forward)

    def share(self, forward: int) -> int:
        """Positions that the schedule writes, where so many are open."""
        return transfers(self.block_length, self.steps)[forward]

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        return ranks(descending(scores_BM)) < self.share(forward)
