"""What a cache costs in exactness: a further generation after the timed samples, with each pass made twice.

The cache's own pass decides what is written. Beside it the same engine computes the whole canvas as it stands, without
a cache, and the logits of both are compared at the open positions. Nothing of it is timed.

Dimensions: B rows, M positions, C open positions, D hidden, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Batch, Unmarked
from benchmark.engines.interface import CanvasPasses
from benchmark.engines.sampling.head import Head
from crossover.records.staleness import Staleness

CHUNK_LOGITS = 1 << 24
"""Logits compared at a time, in float32: there are four tensors of so many."""


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """Of one step: positions computed, and sums over its open positions."""

    computed: int
    kl_nats: float
    equal: int
    positions: int


@dataclass
class ComparingPasses:
    """See CanvasPasses. Each pass is made with the cache, whose result goes on, and without it."""

    cached: CanvasPasses
    whole: CanvasPasses
    head: Head
    mask_id: int
    steps: list[_Compared] = field(default_factory=list)

    @property
    def window_kernels(self) -> tuple[str, ...]:
        """See CanvasPasses."""
        return self.cached.window_kernels

    def prepare(
        self,
        rows: int,
        prompt_tokens: int,
        output_tokens: int,
        *,
        padded: bool,
        widths: Sequence[int] = (),
        block_length: int | None = None,
    ) -> float:
        """See CanvasPasses."""
        assert block_length is None, "a block-causal model's cache is exact"
        without_s = self.whole.prepare(rows, prompt_tokens, output_tokens, padded=padded)
        return without_s + self.cached.prepare(rows, prompt_tokens, output_tokens, padded=padded, widths=widths)

    def hidden(
        self, tokens_BL: Tensor, padding_BL: Tensor | None, positions_BM: Tensor, computed: range | None = None
    ) -> Tensor:
        """See CanvasPasses."""
        with_BMD = self.cached.hidden(tokens_BL, padding_BL, positions_BM, computed)
        without_BMD = self.whole.hidden(tokens_BL, padding_BL, positions_BM)
        open_BM = tokens_BL.gather(1, positions_BM) == self.mask_id
        if open_BM.any():  # a spare pass has none
            self._compare(without_BMD[open_BM], with_BMD[open_BM], len(computed or range(tokens_BL.shape[1])))
        return with_BMD

    def _compare(self, without_CD: Tensor, with_CD: Tensor, computed: int) -> None:
        each = max(1, CHUNK_LOGITS // int(self.head.linear.out_features))  # type: ignore[arg-type]
        pairs = zip(without_CD.split(each), with_CD.split(each), strict=True)
        compared = [self._sums(*pair) for pair in pairs]
        self.steps.append(
            _Compared(
                computed=computed,
                kl_nats=sum(kl_nats for kl_nats, _ in compared),
                equal=sum(equal for _, equal in compared),
                positions=len(with_CD),
            )
        )

    def _sums(self, without_CD: Tensor, with_CD: Tensor) -> tuple[float, int]:
        """KL(without || with) of all positions together, and how many choose the same token."""
        p_CV, q_CV = (self.head.linear(x_CD).float().log_softmax(dim=-1) for x_CD in (without_CD, with_CD))
        kl_nats = float((p_CV.exp() * (p_CV - q_CV)).double().sum())
        for logits_CV in (p_CV, q_CV):
            logits_CV[:, self.mask_id] = -torch.inf
        return max(kl_nats, 0.0), int((p_CV.argmax(dim=-1) == q_CV.argmax(dim=-1)).sum())


@torch.inference_mode()
def measure_staleness(
    decoder: MaskedDiffusionDecoder, whole: CanvasPasses, batch: Batch, output_tokens: int
) -> Staleness:
    """Compare every step of a generation. `whole` are passes of their own, which keep nothing."""
    passes = ComparingPasses(cached=decoder.passes, whole=whole, head=decoder.head, mask_id=decoder.mask_id)
    replace(decoder, passes=passes).decode(batch, output_tokens, Unmarked())
    return Staleness(
        computed=tuple(step.computed for step in passes.steps),
        kl_nats=tuple(step.kl_nats / step.positions for step in passes.steps),
        equal_share=tuple(step.equal / step.positions for step in passes.steps),
    )
