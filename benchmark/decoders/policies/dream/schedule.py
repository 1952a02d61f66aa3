"""Dream's schedule: as many positions a step as its time falls, rounded down, those of the highest scores.

Ye et al., Dream 7B, arXiv 2508.15487; generation_utils.py of its published code. Times t_0 to t_K are evenly spaced
from 1 to eps, in float32. Step i writes trunc(m (1 - t_(i+1) / t_i)) of the m masks that are left, in float32, and the
last step all of them. So a step may write nothing, and still looks at the whole canvas, as the published loop does.

With `alg_temp` positions are drawn one after another without replacement, each with a probability in proportion to
softmax(score / alg_temp). That is the same as taking those of the highest score / alg_temp + Gumbel noise.

Dimensions: B rows, M positions that may be open.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import descending, ranks
from benchmark.decoders.schedule import dream_transfers
from benchmark.engines.sampling.noise import uniform
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class DreamSchedule:
    """See Policy. The whole output is one block."""

    steps: int
    output_tokens: int
    eps: float
    score: Score

    @property
    def most_forwards(self) -> int:
        """See Policy."""
        return self.steps

    def planned(self, forward: int) -> int:
        """See Policy."""
        return dream_transfers(self.output_tokens, self.steps, self.eps)[forward]

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        return ranks(descending(scores_BM)) < self.planned(forward)


def drawn(scores_BM: Tensor, temperature: float, cells_BM: Tensor) -> Tensor:
    """Scores whose highest are a draw of positions at that temperature, with the noise of the positions' cells."""
    gumbel_BM = uniform(cells_BM).log_().neg_().log_().neg_()
    return scores_BM.double() / temperature + gumbel_BM
