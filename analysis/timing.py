"""Median latencies and their ratios, with intervals that hold for as few as two samples.

The plain bootstrap of a median of 5 to 10 samples is too narrow and jumps from sample to sample. Instead, the error of
the median's logarithm is divided by a distribution-free standard error, the distance between two order statistics
around the median (Price and Bonett, "Distribution-free confidence intervals for difference and ratio of medians", J.
Statist. Comput. Simul. 72, 2002), and the quantile of that quotient comes from a parametric bootstrap: samples of the
same sizes from lognormal noise as wide as was seen. docs/parity.md says how often the intervals contain the truth, for
this noise and for others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, median

import numpy as np

from analysis.bootstrap import Floats
from analysis.intervals import Interval
from benchmark.record import Measurement

DRAWS = 10_000
"""Simulated samples behind each critical value."""
LEAST_SAMPLES = 2
"""One sample says nothing of its noise."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The median of `samples` latencies: its logarithm with a standard error, which is 0 for a single sample."""

    samples: int
    log_median: float
    error: float

    @property
    def median_s(self) -> float:
        """Median latency in seconds."""
        return math.exp(self.log_median)


def latency(measurement: Measurement) -> Latency:
    """The median end-to-end latency of a run."""
    return summarise([sample.latency_s for sample in measurement.samples])


def summarise(latencies_s: Sequence[float]) -> Latency:
    """The median of positive `latencies_s` on the logarithmic scale."""
    log_1S = np.log(np.asarray([latencies_s], dtype=np.float64))
    return Latency(samples=len(latencies_s), log_median=math.log(median(latencies_s)), error=float(_errors(log_1S)[0]))


def median_interval(latency: Latency, level: float) -> Interval:
    """The median in seconds. The interval of a single sample has no width: nothing is known of its noise."""
    half = _critical(latency.samples, level) * latency.error if latency.error else 0.0
    return _interval(latency.log_median, half, level)


def ratio_interval(above: Latency, below: Latency, level: float, *, least_critical: float = 0.0) -> Interval | None:
    """The ratio of two medians; None when either rests on a single sample.

    `least_critical` is the smallest half-width in standard errors that the caller accepts.
    """
    if min(above.samples, below.samples) < LEAST_SAMPLES:
        return None
    error = math.hypot(above.error, below.error)
    half = max(least_critical, _critical_of_two(above, below, level)) * error if error else 0.0
    return _interval(above.log_median - below.log_median, half, level)


def _interval(log_estimate: float, half: float, level: float) -> Interval:
    return Interval(math.exp(log_estimate), math.exp(log_estimate - half), math.exp(log_estimate + half), level)


@lru_cache(maxsize=256)
def _critical(samples: int, level: float) -> float:
    """Half-width of a median's interval in standard errors: the quantile of |t|."""
    median_D, error_D = _noise(samples, 0)
    return float(np.quantile(np.abs(median_D / error_D), level))


def _critical_of_two(above: Latency, below: Latency, level: float) -> float:
    """Half-width of a ratio's interval in standard errors, for noise as wide in each arm as its error says."""
    wide = [one.error / _mean_error(one.samples) for one in (above, below)]
    degrees = round(math.degrees(math.atan2(wide[1], wide[0])))  # whole ones, so that few are simulated
    return _critical_at(above.samples, below.samples, degrees, level)


@lru_cache(maxsize=4096)
def _critical_at(above: int, below: int, degrees: int, level: float) -> float:
    wide, other_wide = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    (median_D, error_D), (other_median_D, other_error_D) = _noise(above, 0), _noise(below, 1)
    t_D = (wide * median_D - other_wide * other_median_D) / np.hypot(wide * error_D, other_wide * other_error_D)
    return float(np.quantile(np.abs(t_D), level))


@lru_cache(maxsize=64)
def _noise(samples: int, seed: int) -> tuple[Floats, Floats]:
    """Medians of `samples` standard normal draws and their standard errors, DRAWS times."""
    drawn_DS = np.random.default_rng((seed, samples)).standard_normal((DRAWS, samples))
    return np.median(drawn_DS, axis=1), _errors(drawn_DS)


@lru_cache(maxsize=256)
def _mean_error(samples: int) -> float:
    return float(_noise(samples, 0)[1].mean())


def _errors(values_DS: Floats) -> Floats:
    """Standard error of each row's median: the distance of two order statistics over the same for a normal median."""
    samples = values_DS.shape[1]
    if samples < LEAST_SAMPLES:
        return np.zeros(len(values_DS))
    rank, width = _order_statistics(samples)
    ordered_DS = np.partition(values_DS, (rank - 1, samples - rank), axis=1)
    error_D: Floats = (ordered_DS[:, samples - rank] - ordered_DS[:, rank - 1]) / width
    return error_D


@lru_cache(maxsize=1024)
def _order_statistics(samples: int) -> tuple[int, float]:
    """The rank, from either end, of two order statistics around the median, and how many errors lie between them."""
    rank = max(1, round((samples + 1) / 2 - math.sqrt(samples)))
    beyond = sum(math.comb(samples, below) for below in range(rank)) / 2**samples
    return rank, 2 * NormalDist().inv_cdf(1 - beyond)
