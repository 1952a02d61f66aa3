"""All positions more confident than a threshold, if those are at least the schedule's share, else that share.

The strategy `low_confidence_dynamic` of JetAstra/SDAR, generate.py, commit c2041a83, and the rule of LLaDA2's own
loop. The share is that of `quota`: the most confident. So a block takes at most its steps.

Dimensions: B rows, M positions of the block.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import descending, is_open, ranks
from benchmark.decoders.policies.quota import Quota


@dataclass(frozen=True, kw_only=True)
class LowConfidenceDynamic(Quota):
    """See Policy."""

    threshold: float

    def planned(self, forward: int) -> None:
        """See Policy: nothing is known before."""

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        return above_or_share(scores_BM, self.threshold, self.share(forward))


def above_or_share(scores_BM: Tensor, threshold: float, share: int) -> Tensor:
    """Where scores are above the threshold, in rows with at least so many, all if fewer are open; else the highest."""
    above_BM = scores_BM > threshold
    needed_B1 = is_open(scores_BM).sum(dim=1, keepdim=True).clamp(max=share)
    enough_B1 = above_BM.sum(dim=1, keepdim=True) >= needed_B1
    return above_BM.where(enough_B1, ranks(descending(scores_BM)) < share)
