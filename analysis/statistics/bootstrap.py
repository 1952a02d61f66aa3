"""Paired bootstrap of weighted means over prompts, studentised, all arms and resamples at once.

Dimensions: R resamples, the first of them the sample itself; A arms, the first of them the baseline; P prompts.

The bootstrap is Hall's symmetric percentile-t ("On symmetric bootstrap confidence intervals", J. R. Statist. Soc. B
50, 1988): the interval is estimate +- c * standard error, c the quantile of |t| over the resamples. Plain percentiles
are too narrow for the 16 to 64 prompts of a sweep. The standard error of a ratio of sums is the linearised one
(Cochran, "Sampling Techniques", 1977).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analysis.statistics.arrays import Flags, Floats
from analysis.statistics.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Weighted means of each arm in each resample, and their variances and covariances with the baseline's."""

    mean_RA: Floats
    variance_RA: Floats
    covariance_RA: Floats


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The least standard error of an estimate, and the least half-width of an interval in standard errors."""

    error: Floats
    critical: float


@dataclass(frozen=True, kw_only=True)
class Studentised:
    """Estimates with their standard errors, and t = (resampled - estimate) / resampled standard error.

    The last dimension of each counts what is estimated; `t_RK` has a row for each resample. No interval is narrower
    than `least_critical` standard errors to either side.
    """

    estimate_K: Floats
    error_K: Floats
    t_RK: Floats
    least_critical: float = 0.0

    def critical_K(self, level: float) -> Floats:  # noqa: N802 (the dimension)
        """Half-width of each interval in standard errors."""
        return np.maximum(_quantile(np.abs(self.t_RK), level), self.least_critical)

    def joint_critical_K(self, level: float, among_K: Flags) -> Floats:  # noqa: N802 (the dimension)
        """Half-width in standard errors at which the intervals of each and of all before it hold together (max |t|).

        Only those in `among_K` count.
        """
        return _quantile(np.maximum.accumulate(np.where(among_K, np.abs(self.t_RK), 0.0), axis=1), level)

    def half_K(self, critical_K: Floats) -> Floats:  # noqa: N802 (the dimension)
        """So many standard errors: none where there was no spread, infinitely many where too few prompts show one."""
        half_K: Floats = np.multiply(
            critical_K, self.error_K, out=np.zeros_like(self.error_K), where=self.error_K > 0.0
        )
        return half_K

    def intervals(self, level: float, shown: Callable[[float], float]) -> tuple[Interval, ...]:
        """An interval for each estimate, carried through the increasing function `shown`."""
        half_K = self.half_K(self.critical_K(level))
        return tuple(
            Interval(shown(float(mean)), shown(float(mean - half)), shown(float(mean + half)), level)
            for mean, half in zip(self.estimate_K, half_K, strict=True)
        )


def resample(values_AP: Floats, weights_AP: Floats, *, resamples: int, seed: int = 0) -> Resampled:
    """Means sum(values) / sum(weights) of every arm, with the same prompts drawn for all of them."""
    counts_RP = counts(values_AP.shape[1], resamples, seed)
    whole_A1 = values_AP.sum(axis=1, keepdims=True) / weights_AP.sum(axis=1, keepdims=True)
    residual_AP = values_AP - whole_A1 * weights_AP  # near 0, so that second moments do not cancel
    total_RA = counts_RP @ weights_AP.T
    shift_RA = counts_RP @ residual_AP.T / total_RA

    def covariance(other: slice) -> Floats:
        """Of each arm's mean with the mean of `other`, by the residuals around the resample's own means."""
        residual_BP, weight_BP, shift_RB = residual_AP[other], weights_AP[other], shift_RA[:, other]
        products_RA = (
            counts_RP @ (residual_AP * residual_BP).T
            - shift_RB * (counts_RP @ (residual_AP * weight_BP).T)
            - shift_RA * (counts_RP @ (weights_AP * residual_BP).T)
            + shift_RA * shift_RB * (counts_RP @ (weights_AP * weight_BP).T)
        )
        prompts = values_AP.shape[1]
        covariance_RA: Floats = products_RA * prompts / (prompts - 1) / (total_RA * total_RA[:, other])
        return covariance_RA

    return Resampled(
        mean_RA=whole_A1.T + shift_RA, variance_RA=covariance(slice(None)), covariance_RA=covariance(slice(0, 1))
    )


def studentise(
    values_RK: Floats,
    variance_RK: Floats,
    *,
    least_error_K: Floats | float = 0.0,
    floor: Floor | None = None,
    is_difference: bool = False,
) -> Studentised:
    """Divide each resample's deviation by its own standard error.

    A resample without spread, such as one prompt drawn every time, counts as infinitely far from the estimate, unless
    it hits it. Errors up to `least_error_K` are the rounding of equal values, and count as none. A `floor` is for
    values of which few may be seen to differ: it holds in each resample as in the sample. With `is_difference` a value
    of no more than that, and of no error, is rounding too: it counts as 0.
    """
    error_RK = np.sqrt(np.maximum(variance_RK, 0.0))
    error_RK[error_RK <= least_error_K] = 0.0
    if is_difference:
        is_rounding_K = (error_RK[0] == 0.0) & (np.abs(values_RK[0]) <= least_error_K)
        values_RK = np.where(is_rounding_K, 0.0, values_RK)
    if floor is not None:
        error_RK = np.maximum(error_RK, floor.error)
    deviation_RK = values_RK[1:] - values_RK[0]
    infinite_RK = np.where(np.abs(deviation_RK) <= least_error_K, 0.0, np.inf)
    t_RK = np.divide(deviation_RK, error_RK[1:], out=infinite_RK, where=error_RK[1:] > 0.0)
    t_RK[:, error_RK[0] == 0.0] = 0.0  # no spread at all: an interval of no width
    least = 0.0 if floor is None else floor.critical
    return Studentised(estimate_K=values_RK[0], error_K=error_RK[0], t_RK=t_RK, least_critical=least)


@lru_cache(maxsize=8)
def counts(prompts: int, resamples: int, seed: int = 0) -> Floats:
    """How often each resample draws each prompt; in the first row each once."""
    drawn_RP = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1.0 / prompts), size=resamples)
    return np.vstack([np.ones(prompts), drawn_RP]).astype(np.float64)


def _quantile(values: Floats, level: float) -> Floats:
    """Along the resamples, without interpolating, since values may be infinite."""
    quantile: Floats = np.quantile(values, level, axis=0, method="inverted_cdf")
    return quantile
