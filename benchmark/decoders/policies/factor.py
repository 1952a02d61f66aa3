"""As many positions as are confident enough to be written together.

Wu et al., Fast-dLLM, arXiv 2505.22618, section 3.3: with confidences in falling order, c(1) >= c(2) >= ..., the longest
prefix in which each rank r >= 2 has c(r) >= 1 - f / (r + 1), that is (r + 1) (1 - c(r)) <= f. Its published loop also
writes everything where the last open position alone fails, so that two open positions always go together; that is
`factor_rule=fast_dllm`.

Dimensions: B rows, M positions of the block.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmark.decoders.policies.interface import descending, is_open, leading
from benchmark.decoders.policies.self_paced import SelfPaced
from benchmark.engines.sampling.scores import Score
from crossover.records.policies import FactorRule


@dataclass(frozen=True, kw_only=True)
class Factor(SelfPaced):
    """See Policy."""

    factor: float
    rule: FactorRule
    score: Score = Score.confidence

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        del forward
        order_BM = descending(scores_BM)
        falling_BM = scores_BM.gather(1, order_BM)
        rank_M = torch.arange(1, scores_BM.shape[1] + 1, device=scores_BM.device)
        holds_BM = (falling_BM >= 1 - self.factor / (rank_M + 1)) & is_open(falling_BM)
        holds_BM[:, 0] = True
        written_B1 = holds_BM.cumprod(dim=1).sum(dim=1, keepdim=True)
        if self.rule is FactorRule.fast_dllm:
            written_B1 = written_B1 + (written_B1 == is_open(scores_BM).sum(dim=1, keepdim=True) - 1)
        return leading(order_BM, written_B1)
