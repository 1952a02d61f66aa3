"""By the entropy: the positions whose distribution over the vocabulary has the least.

One of the orders of Ye et al., Dream 7B, arXiv 2508.15487. The schedule is that of `quota`.
"""

from benchmark.decoders.policies.quota import Quota
from benchmark.engines.sampling.scores import Score


def entropy(*, steps: int, block_length: int) -> Quota:
    """The schedule, ranked by falling negative entropy of the whole vocabulary."""
    return Quota(steps=steps, block_length=block_length, score=Score.entropy)
