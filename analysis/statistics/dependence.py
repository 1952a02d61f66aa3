"""How much less than independent ones the samples of one process say, where a slow or a fast one follows its like.

Clocks, temperature and other tenants change slowly, so that neighbouring samples resemble each other. The first
autocorrelation of the samples' normal scores is corrected for its bias (Kendall, "Note on bias in the estimation of
autocorrelation", Biometrika 41, 1954). From half a standard error above that, the variance of a median follows as for
an autoregressive process of first order: sign(x) then has the autocorrelation (2 / pi) asin(rho^k) at lag k, and a
median the variance of the mean sign.

A process shows of its own noise only what it lasts long enough to show: 10 samples say next to nothing of an
autocorrelation of 0.8, and none say what another process would have taken. docs/parity.md says how often the
intervals hold.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from analysis.statistics.bootstrap import Floats
from crossover.confidence import LEVEL

LEAST_SAMPLES = 16
"""Fewer show no autocorrelation."""
SIGNIFICANT = 1.0
"""Standard errors above 0 from which an autocorrelation counts."""
MARGIN = 0.5
"""Standard errors by which it is taken to be larger than it was seen."""
LARGEST = 0.97
LEAST_DEGREES = 8.0
"""Fewer would stretch the interval tenfold by chance."""
LAGS = np.arange(1, 60)
TWO_SIDED = (1 + LEVEL) / 2


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """By how much the interval of a median is stretched, and how many independent samples would say as much."""

    stretch: float
    effective_samples: float


def dependence(values_S: Floats) -> Dependence:
    """Of samples in the order in which they were taken."""
    samples = len(values_S)
    correlation = _autocorrelation(values_S) if samples >= LEAST_SAMPLES else 0.0
    if not correlation:
        return Dependence(stretch=1.0, effective_samples=samples)
    inflation = float(1 + 4 / math.pi * np.arcsin(correlation**LAGS).sum())
    effective = samples / inflation
    few = stdtrit(max(LEAST_DEGREES, effective - 1), TWO_SIDED) / stdtrit(samples - 1, TWO_SIDED)
    return Dependence(stretch=float(math.sqrt(inflation) * few), effective_samples=max(1.0, effective))


def _autocorrelation(values_S: Floats) -> float:
    """Of neighbouring samples' normal scores, corrected and on the safe side; 0 where it may be chance."""
    samples = len(values_S)
    scores_S = _normal_scores(values_S)
    spread = float((scores_S**2).sum())
    if spread == 0.0:
        return 0.0
    seen = float((scores_S[1:] * scores_S[:-1]).sum()) / spread
    if seen <= SIGNIFICANT / math.sqrt(samples) - 1 / samples:
        return 0.0
    corrected = (samples * seen + 1) / (samples - 4)
    return min(LARGEST, max(0.0, corrected + MARGIN / math.sqrt(samples)))


def _normal_scores(values_S: Floats) -> Floats:
    """The quantiles of a normal distribution at the samples' ranks; equal samples share theirs."""
    _, place_S, count_V = np.unique(values_S, return_inverse=True, return_counts=True)
    rank_V = np.cumsum(count_V) - (count_V - 1) / 2
    scores: Floats = ndtri((rank_V[place_S] - 0.5) / len(values_S))
    return scores
