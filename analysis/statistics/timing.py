"""Median latencies and their ratios, with intervals that hold for few samples and for noise of any shape.

The interval of a median reaches from one order statistic to another: how often those lie around the true median is
known whatever the distribution (the sign test), and interpolation between neighbouring ones brings that to the level
(Hettmansperger and Sheather, "Confidence intervals based on interpolated order statistics", Statistics & Probability
Letters 4, 1986). The bootstrap of a median of 5 to 30 samples is too narrow, above all where latencies have two modes.

Two medians are set against each other on the logarithmic scale: the distances from either to the end of its interval
are added as squares (MOVER; Zou and Donner, "Construction of confidence limits about effect measures", Statistics in
Medicine 27, 2008). That is a little too wide for few samples, so that the sum is shortened by a factor, found by
simulating lognormal noise as wide as was seen. The same factor stretches the intervals of fewer than 6 samples, which
even the extremes do not make wide enough. docs/parity.md says how often they contain the truth, for any noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

import numpy as np

from analysis.statistics.bootstrap import Floats
from analysis.statistics.intervals import Interval
from crossover.confidence import LEVEL
from crossover.records.record import Measurement

CLOSE = 0.02
"""Coverage by which two order statistics may exceed the level before they are interpolated."""
DRAWS = 5_000
"""Simulated samples behind each factor."""
DEGREES = 5
"""How coarsely the arms' spreads are compared: a factor changes by less than 0.02 from one step to the next."""
LEAST_SAMPLES = 2
"""One sample says nothing of its noise."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The median of `samples` latencies: its logarithm, and how far the ends of its interval lie below and above.

    The ends are those at `LEVEL` before any factor; without noise, and for a single sample, both are 0.
    """

    samples: int
    log_median: float
    below: float
    above: float

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.below + self.above) / 2


def latency(measurement: Measurement) -> Latency:
    """The median end-to-end latency of a run."""
    return summarise([sample.latency_s for sample in measurement.samples])


def summarise(latencies_s: Sequence[float]) -> Latency:
    """The median of positive `latencies_s` on the logarithmic scale."""
    middle_1, below_1, above_1 = _reaches(np.log(np.asarray([latencies_s], dtype=np.float64)))
    log_median = math.log(median(latencies_s))
    shift = log_median - float(middle_1[0])  # an even number: average the middle two, then the logarithm
    return Latency(
        samples=len(latencies_s),
        log_median=log_median,
        below=float(below_1[0]) + shift,
        above=float(above_1[0]) - shift,
    )


def median_interval(latency: Latency) -> Interval:
    """The median in seconds. The interval of a single sample has no width: nothing is known of its noise."""
    factor = _factor(latency.samples) if latency.samples >= LEAST_SAMPLES else 0.0
    return _interval(latency.log_median, factor * latency.below, factor * latency.above)


def ratio_interval(above: Latency, below: Latency, *, least_factor: float = 0.0) -> Interval | None:
    """The ratio of two medians; None when either rests on a single sample.

    `least_factor` is the smallest factor that the caller accepts: 1 never shortens.
    """
    if min(above.samples, below.samples) < LEAST_SAMPLES:
        return None
    factor = max(least_factor, _factor_of_two(above, below)) if above.half or below.half else 0.0
    down, up = math.hypot(above.below, below.above), math.hypot(above.above, below.below)
    return _interval(above.log_median - below.log_median, factor * down, factor * up)


def _interval(log_estimate: float, down: float, up: float) -> Interval:
    return Interval(math.exp(log_estimate), math.exp(log_estimate - down), math.exp(log_estimate + up), LEVEL)


@lru_cache(maxsize=256)
def _factor(samples: int) -> float:
    """By how much a median's interval is stretched."""
    median_D, below_D, above_D = _noise(samples, 0)
    return max(1.0, _quantile(np.abs(median_D) / np.where(median_D > 0, below_D, above_D)))


def _factor_of_two(above: Latency, below: Latency) -> float:
    """By how much a ratio's interval is stretched, for noise as wide in each arm as was seen there."""
    wide = [one.half / _mean_half(one.samples) for one in (above, below)]
    degrees = DEGREES * round(math.degrees(math.atan2(wide[1], wide[0])) / DEGREES)
    return _factor_at(above.samples, below.samples, degrees)


@lru_cache(maxsize=4096)
def _factor_at(above: int, below: int, degrees: int) -> float:
    wide, other_wide = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    median_D, below_D, above_D = (wide * each_D for each_D in _noise(above, 0))
    other_median_D, other_below_D, other_above_D = (other_wide * each_D for each_D in _noise(below, 1))
    error_D = median_D - other_median_D
    reach_D = np.where(error_D > 0, np.hypot(below_D, other_above_D), np.hypot(above_D, other_below_D))
    return _quantile(np.abs(error_D) / reach_D)


@lru_cache(maxsize=64)
def _noise(samples: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Medians of `samples` standard normal draws, and how far their intervals reach down and up, DRAWS times."""
    return _reaches(np.random.default_rng((seed, samples)).standard_normal((DRAWS, samples)))


@lru_cache(maxsize=256)
def _mean_half(samples: int) -> float:
    _, below_D, above_D = _noise(samples, 0)
    return float((below_D + above_D).mean() / 2)


def _reaches(values_DS: Floats) -> tuple[Floats, Floats, Floats]:
    """The median of each row, and how far below and above it the interpolated order statistics lie."""
    samples = values_DS.shape[1]
    rank, share = _ranks(samples)
    ordered_DS = np.sort(values_DS, axis=1)
    inner = min(rank, samples - 1)  # of no weight where there is none
    low_D = (1 - share) * ordered_DS[:, rank - 1] + share * ordered_DS[:, inner]
    high_D = (1 - share) * ordered_DS[:, samples - rank] + share * ordered_DS[:, samples - 1 - inner]
    median_D = np.median(ordered_DS, axis=1)
    return median_D, median_D - low_D, high_D - median_D


@lru_cache(maxsize=1024)
def _ranks(samples: int) -> tuple[int, float]:
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
    return 1 - 2 * sum(math.comb(samples, below) for below in range(rank)) / 2.0**samples


def _quantile(values: Floats) -> float:
    """At the level, without interpolating."""
    place = math.ceil(LEVEL * len(values)) - 1
    return float(np.partition(values, place)[place].item())
