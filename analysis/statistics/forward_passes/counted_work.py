"""The least time of any forward pass of a model, from what its records count of whole generations.

A record holds the arithmetic and the memory traffic of its generation, counted from the model's shape, and the two
ceilings of its device (crossover/records/profile.py). Both counts are sums over forward passes of terms in few numbers:
rows, positions computed, attended to and read. So a linear fit to records of several shapes gives the model's own
coefficients exactly, and with them the count of a pass that was never made. A pass whose terms the records do not span
has no count. The least time of a pass is that of its arithmetic or of its traffic, whichever is longer (roofline).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.arrays import Floats
from analysis.statistics.forward_passes.composition import Forward
from crossover.records.profile import Limits

SPANNED = 1e-6
"""Share of a pass's terms, by their length, that may lie outside what the records span."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """A forward pass of a batch. `keeps` says whether it reads or writes kept keys and values.

    `causal` are passes of a continuation, its prompt's among them. The last layer's attention counts as any other's
    there: one term less, since continuations of half a prompt do not tell them apart; a thousandth of the prompt's.
    """

    rows: int
    forward: Forward
    keeps: bool
    causal: bool = False

    @property
    def arithmetic(self) -> Sequence[float]:
        """Terms of its operations: products and attention of all layers, and at the positions read."""
        computed, kept, read = map(float, self.forward)
        pairs = computed * (2 * kept - computed + 1) / 2 if self.causal else computed * kept
        return [float(self.rows) * each for each in (computed, read, pairs, 0.0 if self.causal else read * kept)]

    @property
    def traffic(self) -> Sequence[float]:
        """Terms of its bytes: the weights, the embeddings of what is computed, kept keys and values."""
        return [
            1.0,
            *(float(self.rows) * each for each in (self.forward.computed, self.forward.kept if self.keeps else 0.0)),
        ]


@dataclass(frozen=True, kw_only=True)
class CountedWork:
    """Coefficients of one model on one device; the `spans` are orthonormal rows of what its records hold."""

    flop_C: Floats
    bytes_C: Floats
    flop_span_RC: Floats
    bytes_span_RC: Floats
    flop_scale_C: Floats
    bytes_scale_C: Floats
    copy_bytes_per_s: float
    matrix_flop_per_s: float

    def least_s(self, one: Pass) -> float:
        """The least seconds of a pass.

        Raises:
            KeyError: when the records do not span it.
        """
        flop = _count(one.arithmetic, self.flop_C, self.flop_span_RC, self.flop_scale_C)
        traffic = _count(one.traffic, self.bytes_C, self.bytes_span_RC, self.bytes_scale_C)
        return max(flop / self.matrix_flop_per_s, traffic / self.copy_bytes_per_s)


def counted_work(generations: Iterable[tuple[Sequence[Pass], Limits]]) -> CountedWork | None:
    """The fit to generations, each with all its passes and what its record counts; None of none."""
    known = list(generations)
    if not known:
        return None
    flop_GC = np.array([np.sum([each.arithmetic for each in passes], axis=0) for passes, _ in known])
    bytes_GC = np.array([np.sum([each.traffic for each in passes], axis=0) for passes, _ in known])
    flop_C, flop_span_RC, flop_scale_C = _fit(flop_GC, [limits.flop for _, limits in known])
    bytes_C, bytes_span_RC, bytes_scale_C = _fit(bytes_GC, [limits.bytes for _, limits in known])
    return CountedWork(
        flop_C=flop_C,
        bytes_C=bytes_C,
        flop_span_RC=flop_span_RC,
        bytes_span_RC=bytes_span_RC,
        flop_scale_C=flop_scale_C,
        bytes_scale_C=bytes_scale_C,
        copy_bytes_per_s=float(np.median([limits.copy_bytes_per_s for _, limits in known])),
        matrix_flop_per_s=float(np.median([limits.matrix_flop_per_s for _, limits in known])),
    )


def _fit(terms_GC: Floats, counts: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """Coefficients of the scaled terms, an orthonormal basis of what the generations span, and the scales."""
    scale_C = np.maximum(np.abs(terms_GC).max(axis=0), 1e-300)
    scaled_GC = terms_GC / scale_C
    weight_G = 1.0 / np.asarray(counts, float)  # each generation counts alike, however large
    scaled_GC = scaled_GC * weight_G[:, None] / weight_G.max()
    coefficients_C = np.linalg.lstsq(scaled_GC, np.full(len(counts), 1.0 / weight_G.max()), rcond=1e-12)[0]
    _, sizes_R, span_RC = np.linalg.svd(scaled_GC, full_matrices=False)
    return coefficients_C, span_RC[sizes_R > 1e-10 * sizes_R.max()], scale_C


def _count(terms: Sequence[float], coefficients_C: Floats, span_RC: Floats, scale_C: Floats) -> float:
    scaled_C = np.asarray(terms, float) / scale_C
    outside_C = scaled_C - span_RC.T @ (span_RC @ scaled_C)
    if np.linalg.norm(outside_C) > SPANNED * np.linalg.norm(scaled_C):
        raise KeyError(tuple(terms))
    return float(scaled_C @ coefficients_C)
