"""From left to right: each step writes its share of the block, beginning at the first masked position.

The strategy `sequential` of JetAstra/SDAR, generate.py, commit c2041a83. The schedule is that of `quota`.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.interface import is_open
from benchmark.decoders.policies.quota import Quota


@dataclass(frozen=True, kw_only=True)
class Sequential(Quota):
    """See Policy. The positions come in ascending order, so that their scores say no more than which are open."""

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        open_BM = is_open(scores_BM)
        return open_BM & (open_BM.cumsum(dim=1) <= self.share(forward))
