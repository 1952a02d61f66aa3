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
from statistics import NormalDist

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
    return Latency(
        samples=len(latencies_s), log_median=math.log(float(np.median(latencies_s))), error=float(_errors(log_1S)[0])
    )


def median_interval(latency: Latency, level: float) -> Interval:
    """The median in seconds. The interval of a single sample has no width: nothing is known of its noise."""
    half = _critical(latency.samples, 0, latency.error, 0.0, level) * latency.error
    return _interval(latency.log_median, half, level)


def ratio_interval(above: Latency, below: Latency, level: float) -> Interval | None:
    """The ratio of two medians; None when either rests on a single sample."""
    if min(above.samples, below.samples) < LEAST_SAMPLES:
        return None
    error = math.hypot(above.error, below.error)
    half = _critical(above.samples, below.samples, above.error, below.error, level) * error
    return _interval(above.log_median - below.log_median, half, level)


def _interval(log_estimate: float, half: float, level: float) -> Interval:
    return Interval(math.exp(log_estimate), math.exp(log_estimate - half), math.exp(log_estimate + half), level)


def _critical(above: int, below: int, above_error: float, below_error: float, level: float) -> float:
    """Half-width in standard errors: the quantile of |t| when the noise is as wide as the two errors say.

    `below` is 0 for a single median.
    """
    if above_error == 0.0 and below_error == 0.0:
        return 0.0
    if not below:
        return _critical_alone(above, level)
    median_D, error_D = _noise(above, 1)
    other_median_D, other_error_D = _noise(below, 2)
    wide, other_wide = above_error / error_D.mean(), below_error / other_error_D.mean()
    t_D = (wide * median_D - other_wide * other_median_D) / np.hypot(wide * error_D, other_wide * other_error_D)
    return float(np.quantile(np.abs(t_D), level))


@lru_cache(maxsize=256)
def _critical_alone(samples: int, level: float) -> float:
    """The same for a single median, where the width of the noise cancels."""
    median_D, error_D = _noise(samples, 1)
    return float(np.quantile(np.abs(median_D / error_D), level))


@lru_cache(maxsize=64)
def _noise(samples: int, seed: int) -> tuple[Floats, Floats]:
    """Medians of `samples` standard normal draws and their standard errors, DRAWS times."""
    drawn_DS = np.random.default_rng(seed).standard_normal((DRAWS, samples))
    return np.median(drawn_DS, axis=1), _errors(drawn_DS)


def _errors(values_DS: Floats) -> Floats:
    """Standard error of each row's median: the distance of two order statistics over twice its normal quantile."""
    samples = values_DS.shape[1]
    rank = max(1, round((samples + 1) / 2 - math.sqrt(samples)))
    tail = sum(math.comb(samples, below) for below in range(rank)) / 2**samples
    if samples < LEAST_SAMPLES:
        return np.zeros(len(values_DS))
    ordered_DS = np.partition(values_DS, (rank - 1, samples - rank), axis=1)
    width_D: Floats = ordered_DS[:, samples - rank] - ordered_DS[:, rank - 1]
    return width_D / (2 * NormalDist().inv_cdf(1 - tail))
