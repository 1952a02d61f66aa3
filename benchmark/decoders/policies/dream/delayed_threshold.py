"""Fast-dLLM's threshold for Dream without a cache, which can only delay what the schedule writes.

NVlabs/Fast-dLLM, commit 5332e2fc, dream/model/generation_utils.py. With N positions and K steps, each step may write
N / K positions, and those that the steps before it were allowed to write and did not. It looks at so many, the most
confident ones, and writes the first of them, and of the others those of a confidence of at least the threshold. After
step K it looks at all that are left. So nothing is written earlier than without a threshold.

Dimensions: B rows, M positions that may be open.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import descending, is_open, ranks
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class DelayedThreshold:
    """See Policy. The whole output is one block, and `steps` divides it."""

    steps: int
    output_tokens: int
    threshold: float
    score: Score = Score.confidence

    @property
    def most_forwards(self) -> int:
        """See Policy."""
        return self.output_tokens

    def planned(self, forward: int) -> None:
        """See Policy: nothing is known before."""

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        allowed = self.output_tokens // self.steps * min(forward + 1, self.steps)
        written_B1 = self.output_tokens - is_open(scores_BM).sum(dim=1, keepdim=True)
        ranks_BM = ranks(descending(scores_BM))
        looked_BM = ranks_BM < allowed - written_B1
        return (ranks_BM == 0) | (looked_BM & (scores_BM >= self.threshold))
