"""What the prompts of one pairing say of its quality: each arm's own, and each K's distance past parity.

Dimensions: R resamples, the first of them the sample itself; A arms, the first the baseline; P prompts; K steps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.parity.quality import Metric
from analysis.statistics.bootstrap import Floats, Resampled, Studentised, covariance, resample, studentise
from crossover.records.record import Measurement
from crossover.records.texts import Score

LEAST_PROMPTS = 5
"""Below this too many resamples consist of one prompt alone."""


class UnscoredError(ValueError):
    """Too few prompts have the metric in every run."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the prompts say: each arm's mean, baseline first, and each K's distance past parity.

    `covariance_KK` are those of the distances with each other.
    """

    prompts: tuple[str, ...]
    means: Studentised
    advantage: Studentised
    covariance_KK: Floats
    reaches_probability: tuple[float, ...]


def weigh(arms: Sequence[Measurement], metric: Metric, *, margin: float, resamples: int, seed: int) -> Evidence:
    """One paired bootstrap over the prompts that every arm has scored."""
    scored = [_scored(arm.scores, metric) for arm in arms]
    prompts = tuple(prompt for prompt in scored[0] if all(prompt in others for others in scored[1:]))
    if len(prompts) < LEAST_PROMPTS:
        raise UnscoredError(
            f"{metric.label} is known for {len(prompts)} prompts of every run, parity needs {LEAST_PROMPTS}: "
            "raise prompts.count, or score the records again"
        )
    values_AP, weights_AP = np.moveaxis(np.array([[by[prompt] for prompt in prompts] for by in scored]), 2, 0)
    drawn = resample(values_AP, weights_AP, resamples=resamples, seed=seed)
    target_R1, slope_R1 = _target(drawn.mean_RA[:, :1], metric, margin)
    advantage_RK = (1.0 if metric.higher_is_better else -1.0) * (drawn.mean_RA[:, 1:] - target_R1)
    contrast_KA = np.hstack([np.full((len(arms) - 1, 1), -slope_R1[0, 0]), np.eye(len(arms) - 1)])
    return Evidence(
        prompts=prompts,
        means=studentise(drawn.mean_RA, drawn.variance_RA),
        advantage=studentise(advantage_RK, _variance(drawn, slope_R1)),
        covariance_KK=contrast_KA @ covariance(values_AP, weights_AP) @ contrast_KA.T,
        reaches_probability=tuple(float(share) for share in (advantage_RK[1:] >= 0).mean(axis=0)),
    )


def _scored(scores: Iterable[Score], metric: Metric) -> dict[str, tuple[float, float]]:
    parts = ((score.prompt_id, metric.part(score)) for score in scores)
    return {prompt: part for prompt, part in parts if part is not None}


def _target(baseline_R1: Floats, metric: Metric, margin: float) -> tuple[Floats, Floats]:
    """The mean that reaches parity in each resample, and its slope in the baseline's.

    An exponential metric is compared by its logarithm: target = log(exp(baseline) + margin) when lower is better, of
    slope 1 / (1 + margin * exp(-baseline)) in the baseline.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    if not metric.exponential:
        return baseline_R1 - sign * margin, np.ones_like(baseline_R1)
    relative_R1 = -sign * margin * np.exp(-baseline_R1)
    return baseline_R1 + np.log1p(relative_R1), 1.0 / (1.0 + relative_R1)


def _variance(drawn: Resampled, slope_R1: Floats) -> Floats:
    """Of each K's distance past parity in each resample."""
    variance_RK: Floats = (
        drawn.variance_RA[:, 1:] + slope_R1**2 * drawn.variance_RA[:, :1] - 2.0 * slope_R1 * drawn.covariance_RA[:, 1:]
    )
    return variance_RK
