"""Medians of few samples, with intervals that hold for noise of any shape, and the interval of their ratio.

The interval of a median reaches from one order statistic to another: how often those lie around the true median is
known whatever the distribution (the sign test), and interpolation between neighbouring ones brings that to the level
(Hettmansperger and Sheather, "Confidence intervals based on interpolated order statistics", Statistics & Probability
Letters 4, 1986). The bootstrap of a median of 5 to 30 samples is too narrow, above all where latencies have two modes.
Samples are taken to be independent here; `analysis.statistics.dependence` says by how much to stretch where they are
not.

Two medians are set against each other on the logarithmic scale: the distances from either to the end of its interval
are added as squares (MOVER; Zou and Donner, "Construction of confidence limits about effect measures", Statistics in
Medicine 27, 2008). That is a little too wide for few samples, so that the sum is shortened by a factor, found by
simulating lognormal noise as wide as was seen. A factor of the same kind stretches the interval of fewer than 6
samples, which even the extremes do not make wide enough.

Dimensions: D simulated draws; S samples.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.special import bdtr

from analysis.statistics.arrays import Floats
from crossover.confidence import LEVEL

CLOSE = 0.02
"""Coverage by which two order statistics may exceed the level before they are interpolated."""
DRAWS = 5_000
"""Simulated samples behind each factor."""
MANY = 256
"""More samples than these need no factor of their own."""
DEGREES = 5
"""How coarsely the arms' spreads are compared: a factor changes by less than 0.02 from one step to the next."""


@lru_cache(maxsize=256)
def stretch_of_few(samples: int) -> float:
    """By how much the interval of one median is stretched: 1 from 6 samples on."""
    median_D, below_D, above_D = _noise(min(samples, MANY), 0)
    return max(1.0, _quantile(np.abs(median_D) / np.where(median_D > 0, below_D, above_D)))


def shortening_of_two(samples: tuple[int, int], halves: tuple[float, float]) -> float:
    """By how much a ratio's interval is shortened or stretched, for noise as wide in each arm as was seen there."""
    few = [min(each, MANY) for each in samples]
    wide = [half / _mean_half(each) for each, half in zip(few, halves, strict=True)]
    degrees = DEGREES * round(math.degrees(math.atan2(wide[1], wide[0])) / DEGREES)
    return _factor_at(*few, degrees)


@lru_cache(maxsize=1 << 16)
def _factor_at(above: int, below: int, degrees: int) -> float:
    wide, other_wide = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    median_D, below_D, above_D = (wide * each_D for each_D in _noise(above, 0))
    other_median_D, other_below_D, other_above_D = (other_wide * each_D for each_D in _noise(below, 1))
    error_D = median_D - other_median_D
    is_over_D = error_D > 0
    reach_D = np.hypot(np.where(is_over_D, below_D, above_D), np.where(is_over_D, other_above_D, other_below_D))
    return _quantile(np.abs(error_D) / reach_D)


@lru_cache(maxsize=64)
def _noise(samples: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Medians of `samples` standard normal draws, and how far their intervals reach down and up, DRAWS times."""
    return reaches(np.random.default_rng((seed, samples)).standard_normal((DRAWS, samples)))


@lru_cache(maxsize=256)
def _mean_half(samples: int) -> float:
    _, below_D, above_D = _noise(samples, 0)
    return float((below_D + above_D).mean() / 2)


def reaches(values_DS: Floats) -> tuple[Floats, Floats, Floats]:
    """The median of each row, and how far below and above it the interpolated order statistics lie."""
    samples = values_DS.shape[1]
    rank, share = ranks_of(samples)
    ordered_DS = np.sort(values_DS, axis=1)
    inner = min(rank, samples - 1)  # of no weight where there is none
    low_D = (1 - share) * ordered_DS[:, rank - 1] + share * ordered_DS[:, inner]
    high_D = (1 - share) * ordered_DS[:, samples - rank] + share * ordered_DS[:, samples - 1 - inner]
    median_D = (ordered_DS[:, (samples - 1) // 2] + ordered_DS[:, samples // 2]) / 2
    return median_D, median_D - low_D, high_D - median_D


@lru_cache(maxsize=1024)
def ranks_of(samples: int) -> tuple[int, float]:
    """The rank, from either end, of the outer order statistics, and the weight of the inner ones beside them.

    The formula of the weight is Hettmansperger and Sheather's. Where the outer ones alone are close to the level they
    stand as they are, since interpolation takes a smooth distribution for granted.
    """
    rank = 1
    while rank + 1 <= samples // 2 and _covered(samples, rank + 1) >= LEVEL:
        rank += 1
    outer = _covered(samples, rank)
    if outer <= LEVEL + CLOSE:
        return rank, 0.0
    excess = (outer - LEVEL) / (outer - _covered(samples, rank + 1))
    return rank, (samples - rank) * excess / (rank + (samples - 2 * rank) * excess)


def _covered(samples: int, rank: int) -> float:
    """Probability that the order statistics of this rank, from either end, lie around the median."""
    return 1 - 2 * float(bdtr(rank - 1, samples, 0.5))


def _quantile(values: Floats) -> float:
    """At the level, without interpolating."""
    rank = math.ceil(LEVEL * len(values)) - 1
    return float(np.partition(values, rank)[rank].item())
