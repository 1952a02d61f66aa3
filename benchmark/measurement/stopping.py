"""When a run has enough samples, and whether its first one was still warming up. Plain numbers in and out."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from scipy.special import bdtr

from crossover.confidence import LEVEL
from crossover.records.record import StoppedBy
from crossover.records.settings import Stopping

OUTLIER_SCORE = 3.5
"""Modified z-score from which a value is an outlier (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993)."""
NORMAL_MAD = 0.6745
"""Median absolute deviation of a standard normal variable."""
LEAST_OTHERS = 4
"""The number of later samples that a spread needs; a run of 5 samples has them."""
LEAST_EXCESS = 0.03
"""A first sample that is slower by a smaller share does no harm, however little the others vary."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When to stop: after `least` samples, and with `stopping` not before its precision or its budget is reached."""

    least: int
    stopping: Stopping | None

    def verdict(self, latencies_s: Sequence[float], spent_s: float) -> StoppedBy | None:
        """The reason to stop after these samples, which took `spent_s` together; None to go on.

        The interval is checked after every sample, so it is somewhat narrower than that of a number fixed beforehand.
        """
        if len(latencies_s) < self.least:
            return None
        if self.stopping is None:
            return StoppedBy.repeats
        share = interval_share(latencies_s)
        if share is not None and share < self.stopping.interval:
            return StoppedBy.precision
        return StoppedBy.budget if spent_s >= self.stopping.budget_s else None


def interval_share(latencies_s: Sequence[float]) -> float | None:
    """Width of the median's 95% interval over the median; None under 6 samples, whose range covers less than 95%."""
    interval = median_interval(latencies_s)
    return None if interval is None else (interval[1] - interval[0]) / median(latencies_s)


def median_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float] | None:
    """Two order statistics that contain the median with at least `level`, whatever the distribution.

    The number X of values below the median is binomial (n, 1/2). The interval runs between the k-th values from either
    end, with the largest k that has 2 P(X < k) <= 1 - level. None where even the whole range covers less than `level`.
    It is the interval of scipy.stats.quantile_test, which takes sixty times as long, after 0.4 s for importing it.
    """
    samples = len(values)
    rank = 0
    while rank < samples // 2 and 2 * bdtr(rank, samples, 0.5) <= 1 - level:
        rank += 1
    if not rank:
        return None
    ordered = sorted(values)
    return ordered[rank - 1], ordered[samples - rank]


def first_is_outlier(latencies_s: Sequence[float]) -> bool | None:
    """Whether the first sample is far slower than the others, so that warm-up was too short; None with too few."""
    first, others = latencies_s[0], latencies_s[1:]
    if len(others) < LEAST_OTHERS:
        return None
    middle = median(others)
    spread = median(abs(value - middle) for value in others)
    return first > middle * (1 + LEAST_EXCESS) and NORMAL_MAD * (first - middle) > OUTLIER_SCORE * spread
