"""What a cache costs in exactness: a further generation after the timed samples, with each pass made twice.

The cache's own pass decides what is written. Beside it the same engine computes the whole canvas as it stands, without
a cache, and the logits of both are compared at the open positions. Nothing of it is timed. Where attention is
block-causal, the whole canvas is what the pass's block sees of it: all up to the block's end.

Dimensions: B rows, M positions, C open positions, D hidden, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
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
    """See CanvasPasses. Each pass is made with the cache, whose result goes on, and without it.

    With `is_shifted` a position's logits are read at the one before it.
    """

    cached: CanvasPasses
    whole: CanvasPasses
    head: Head
    mask_id: int
    is_shifted: bool = False
    steps: list[_Compared] = field(default_factory=list)
    _block_length: int | None = field(default=None, init=False)

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
        causal_widths: Sequence[int] = (),
    ) -> float:
        """See CanvasPasses."""
        assert not causal_widths, "a causal context is exact"
        self._block_length, shape = block_length, (rows, prompt_tokens, output_tokens)
        ends: tuple[int, ...] = ()
        if block_length is not None and block_length < prompt_tokens + output_tokens:
            ends = tuple(range(prompt_tokens + block_length, prompt_tokens + output_tokens + 1, block_length))
        without_s = self.whole.prepare(*shape, padded=padded, widths=ends, block_length=block_length)
        return without_s + self.cached.prepare(*shape, padded=padded, widths=widths, block_length=block_length)

    def hidden(
        self,
        tokens_BL: Tensor,
        padding_BL: Tensor | None,
        positions_BM: Tensor,
        computed: range | None = None,
        *,
        is_causal: bool = False,
    ) -> Tensor:
        """See CanvasPasses."""
        assert not is_causal, "a causal context is exact"
        with_BMD = self.cached.hidden(tokens_BL, padding_BL, positions_BM, computed)
        window = computed or range(tokens_BL.shape[1])
        open_BM = self._open(tokens_BL, positions_BM, window)
        if open_BM.any():  # a spare pass has none, nor a pass that keeps what is finished
            length = self._block_length or tokens_BL.shape[1]
            seen = range(-(-window.stop // length) * length)
            without_BMD = self.whole.hidden(tokens_BL, padding_BL, positions_BM, seen)
            self._compare(without_BMD[open_BM], with_BMD[open_BM], len(window))
        return with_BMD

    def _open(self, tokens_BL: Tensor, positions_BM: Tensor, window: range) -> Tensor:
        """Where the logits read are those of a masked position, each position once."""
        if not self.is_shifted:
            return tokens_BL.gather(1, positions_BM) == self.mask_id
        behind_BM = (positions_BM + 1).clamp(max=window.stop - 1)
        open_BM = (tokens_BL.gather(1, behind_BM) == self.mask_id) & (positions_BM + 1 < window.stop)
        # the window's first position, which is written, is read at itself: as the one behind it is
        earlier_BMM = (positions_BM[:, :, None] == positions_BM[:, None]).tril(-1)
        return open_BM & ~earlier_BMM.any(dim=2)

    def _compare(self, without_CD: Tensor, with_CD: Tensor, computed: int) -> None:
        each = self.head.positions_with(CHUNK_LOGITS)
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
    decoder: MaskedDiffusionDecoder | BlockDiffusionDecoder, whole: CanvasPasses, batch: Batch, output_tokens: int
) -> Staleness:
    """Compare every step of a generation. `whole` are passes of their own, which keep nothing."""
    passes = ComparingPasses(
        cached=decoder.passes,
        whole=whole,
        head=decoder.head,
        mask_id=decoder.mask_id,
        is_shifted=decoder.is_shifted,
    )
    replace(decoder, passes=passes).decode(batch, output_tokens, Unmarked())
    return Staleness(
        computed=tuple(step.computed for step in passes.steps),
        kl_nats=tuple(step.kl_nats / step.positions for step in passes.steps),
        equal_share=tuple(step.equal / step.positions for step in passes.steps),
    )
