"""Means that a few values which are far off do not move, and which values those are.

The trimmed mean leaves out a fifth of the values at either end. Its interval is Student's t with the winsorised
variance (Tukey and McLaughlin, "Less vulnerable confidence and significance procedures for location based on a single
sample", Sankhya A 25, 1963). It estimates the mean of the middle three fifths of the population, which is the mean
itself where the values lie symmetrically.
"""

import math

import numpy as np
from scipy.special import stdtrit

from analysis.statistics.arrays import Flags, Floats
from analysis.statistics.intervals import Interval
from crossover.confidence import LEVEL

TRIMMED = 0.2
"""Share of the values that is left out at either end."""
OUTLIER_SCORE = 6.0
"""Standard deviations, as the median absolute deviation shows them, from which a value is far off."""
NORMAL_MAD = 0.6745
"""Median absolute deviation of a standard normal variable."""
LEAST_EXCESS = 0.25
"""Share of the median by which it must be off as well: nothing is far off among values that hardly differ."""


def trimmed_mean(values_N: Floats) -> Interval:
    """Of 5 values or more, with its interval."""
    number = len(values_N)
    cut = int(TRIMMED * number)
    ordered_N = np.sort(values_N)
    kept = ordered_N[cut : number - cut]
    winsorised_N = np.clip(ordered_N, kept[0], kept[-1])
    error = float(winsorised_N.std(ddof=1)) / ((1 - 2 * TRIMMED) * math.sqrt(number))
    half = float(stdtrit(len(kept) - 1, (1 + LEVEL) / 2)) * error
    estimate = float(kept.mean())
    return Interval(estimate, estimate - half, estimate + half)


def far_above(values_N: Floats) -> Flags:
    """Which values lie far above the others."""
    middle = _median(values_N)
    excess_N = values_N - middle
    spread = _median(np.abs(excess_N)) / NORMAL_MAD
    far: Flags = excess_N > np.maximum(OUTLIER_SCORE * spread, LEAST_EXCESS * np.abs(middle))
    return far


def _median(values_N: Floats) -> float:
    """Of few values; NumPy's own takes longer to look at what it is given than to sort it."""
    ordered_N = np.sort(values_N)
    return float(ordered_N[(len(ordered_N) - 1) // 2] + ordered_N[len(ordered_N) // 2]) / 2
