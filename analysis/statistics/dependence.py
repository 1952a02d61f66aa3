"""How much less than independent ones the samples of one process say, where a slow or a fast one follows its like.

Clocks, temperature and other tenants change slowly, so that neighbouring samples resemble each other. The first
autocorrelation of the samples' normal scores is corrected for its bias (Kendall, "Note on bias in the estimation of
autocorrelation", Biometrika 41, 1954). From so much above that as `Caution` says, the variance of a median follows as
for an autoregressive process of first order: sign(x) then has the autocorrelation (2 / pi) asin(rho^k) at lag k, and a
median the variance of the mean sign.

A process shows of its own noise only what it lasts long enough to show: 8 samples say little of an autocorrelation of
0.8, none show a memory that outlasts them all, and none say what another process would have taken. docs/parity.md says
how often the intervals hold.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.statistics.arrays import Floats
from crossover.confidence import LEVEL

LEAST_SAMPLES = 8
"""Fewer show no autocorrelation."""
SIGNIFICANT = 0.5
"""Standard errors above 0 from which an autocorrelation counts."""
LARGEST = 0.97


@dataclass(frozen=True, kw_only=True)
class Caution:
    """How an autocorrelation that was seen is taken.

    Attributes:
        margin: standard errors by which it is taken to be larger than it was seen.
        least_degrees: of freedom, with which an interval is stretched at most: fewer would stretch it tenfold by
            chance.
    """

    margin: float
    least_degrees: float


OF_RATIO = Caution(margin=0.5, least_degrees=4.0)
OF_ONE = Caution(margin=1.0, least_degrees=3.0)
"""Of one median alone: in a ratio of two, what chance hides in one arm it seldom hides in the other as well."""
LAGS = np.arange(1, 60)
TWO_SIDED = (1 + LEVEL) / 2


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """By how much intervals of a median are stretched.

    Attributes:
        stretch: where it is set against another.
        alone: times so much where it stands alone.
        degrees: of freedom behind the first.
    """

    stretch: float
    alone: float
    degrees: float


def dependence(values_S: Floats) -> Dependence:
    """Of samples in the order in which they were taken."""
    samples = len(values_S)
    seen = _autocorrelation(values_S) if samples >= LEAST_SAMPLES else None
    if seen is None:
        return Dependence(stretch=1.0, alone=1.0, degrees=samples - 1.0)
    stretch, degrees = _stretch(seen, samples, OF_RATIO)
    of_one, _ = _stretch(seen, samples, OF_ONE)
    return Dependence(stretch=stretch, alone=of_one / stretch, degrees=degrees)


def _stretch(seen: float, samples: int, caution: Caution) -> tuple[float, float]:
    """By how much an interval is stretched, and the degrees of freedom that are left."""
    correlation = min(LARGEST, max(0.0, seen + caution.margin / math.sqrt(samples)))
    inflation = float(1 + 4 / math.pi * np.arcsin(correlation**LAGS).sum())
    degrees = max(caution.least_degrees, samples / inflation - 1)
    few = float(stdtrit(degrees, TWO_SIDED) / stdtrit(samples - 1, TWO_SIDED))
    return math.sqrt(inflation) * max(1.0, few), degrees


def _autocorrelation(values_S: Floats) -> float | None:
    """Of neighbouring samples' normal scores, corrected for its bias; None where it may be chance."""
    samples = len(values_S)
    scores_S = _normal_scores(values_S)
    spread = float((scores_S**2).sum())
    if spread == 0.0:
        return None
    seen = float((scores_S[1:] * scores_S[:-1]).sum()) / spread
    if seen <= SIGNIFICANT / math.sqrt(samples) - 1 / samples:
        return None
    return (samples * seen + 1) / (samples - 4)


def _normal_scores(values_S: Floats) -> Floats:
    """The quantiles of a normal distribution at the samples' ranks; equal samples share theirs."""
    _, place_S, count_V = np.unique(values_S, return_inverse=True, return_counts=True)
    rank_V = np.cumsum(count_V) - (count_V - 1) / 2
    scores: Floats = ndtri((rank_V[place_S] - 0.5) / len(values_S))
    return scores
