"""Masks as by `low_confidence_dynamic`, and besides: tokens of the block that are written can be replaced.

ZHZisZZ/dllm, commit ca176752, dllm/pipelines/llada21/sampler.py, which follows LLaDA2.1's own loop. A written token
that is not the prompt's is replaced where the argmax is another token of a confidence above the editing threshold. A
forward pass over a block without masks is a post step. The block ends after a post step that changes nothing, and
before there are more of them than allowed.

Dimensions: B rows, M positions of the block.
"""

from dataclasses import dataclass

from torch import Tensor

from benchmark.decoders.policies.blocks.dynamic import above_or_share
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class Editing:
    """See Policy. `transfers` is the least number of masks that a forward pass writes."""

    block_length: int
    threshold: float
    editing_threshold: float
    max_post_steps: int
    transfers: int
    score: Score = Score.confidence

    @property
    def most_forwards(self) -> int:
        """See Policy."""
        return -(-self.block_length // self.transfers) + self.max_post_steps

    def planned(self, forward: int) -> None:
        """See Policy: nothing is known before."""

    def choose(self, scores_BM: Tensor, forward: int) -> Tensor:
        """See Policy."""
        del forward
        return above_or_share(scores_BM, self.threshold, self.transfers)

    def replaced(self, scores_BM: Tensor, guesses_BM: Tensor, tokens_BM: Tensor, written_BM: Tensor) -> Tensor:
        """Where a token that was written is replaced by the guess, [B, M]."""
        return written_BM & (guesses_BM != tokens_BM) & (scores_BM > self.editing_threshold)
