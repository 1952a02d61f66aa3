"""Each masked position by itself, with the probability by which Dream's time falls; all that are left at the last step.

The published code's `alg=origin`, generation_utils.py of Dream. The score is a random number, so that logits are needed
only where something is written.

Dimensions: B rows, M positions that may be open.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import is_open
from benchmark.decoders.schedule import dream_times
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class Origin:
    """See Policy. A step may write nothing in a row."""

    steps: int
    eps: float
    score: Score = Score.chance

    @property
    def most_forwards(self) -> int:
        """See Policy."""
        return self.steps

    def planned(self, forward: int) -> None:
        """See Policy: nothing is known before."""

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy, with numbers between 0 and 1 as scores."""
        if forward >= self.steps - 1:
            return is_open(scores_BM)
        at = dream_times(self.steps, self.eps)
        return is_open(scores_BM) & (scores_BM < float(1 - at[forward + 1] / at[forward]))
