"""With a cache, and logits that are shifted by one: the first forward pass of a block writes its first position alone.

NVlabs/Fast-dLLM, commit 5332e2fc, dream/model/generation_utils_block.py. The logits of a block's first position come
from the position before the block, which later forward passes of the block do not compute.

Dimensions: B rows, M positions of the block.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.decoders.policies.interface import Policy
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class FirstAlone:
    """See Policy. `then` is the policy of all other forward passes."""

    then: Policy

    @property
    def score(self) -> Score:
        """See Policy."""
        return self.then.score

    @property
    def most_forwards(self) -> int:
        """See Policy."""
        return self.then.most_forwards

    def planned(self, forward: int) -> None:
        """See Policy: after the first forward pass nothing is known before."""

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        if forward:
            return self.then.choose(scores_BM, forward)
        chosen_BM = torch.zeros_like(scores_BM, dtype=torch.bool)
        chosen_BM[:, 0] = True
        return chosen_BM
