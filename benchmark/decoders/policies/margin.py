"""By the margin: the positions where the first token leads the second by most probability.

Kim et al., Train for the Worst, Plan for the Best, arXiv 2502.06768, section 4.1. The schedule is that of `quota`.
"""

from benchmark.decoders.policies.quota import Quota
from benchmark.engines.sampling.scores import Score


def margin(*, steps: int, block_length: int) -> Quota:
    """The schedule, ranked by first minus second probability."""
    return Quota(steps=steps, block_length=block_length, score=Score.margin)
