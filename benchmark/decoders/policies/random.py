"""At random: each order of the positions is as likely as any other.

Random remasking of Nie et al., arXiv 2502.09992, algorithm 4. The schedule is that of `quota`. The score needs no
logits, so the head is read only where something is written.
"""

from benchmark.decoders.policies.quota import Quota
from benchmark.engines.sampling.scores import Score


def random(*, steps: int, block_length: int) -> Quota:
    """The schedule, ranked by a random number that belongs to the position."""
    return Quota(steps=steps, block_length=block_length, score=Score.chance)
