"""What the prompts of one pairing say of its quality: each arm's own, and each K's distance past parity.

Prompts of one cluster (`Score.cluster`, `DocumentLikelihood.cluster`) are drawn together, since they are no
independent sample.

Dimensions: R resamples, the first of them the sample itself; A arms, the first the baseline; P prompts; C clusters; K
    steps.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.parity.comparability import Pairing
from analysis.parity.quality import Metric
from analysis.statistics.arrays import Floats
from analysis.statistics.bootstrap import Floor, Resampled, Studentised, resample, studentise
from analysis.statistics.intervals import Interval
from analysis.statistics.robust import trimmed_mean
from analysis.statistics.shares import Z, least_error
from crossover.records.record import Measurement
from crossover.records.texts import DocumentLikelihood, Score

LEAST_PROMPTS = 5
"""Below this too many resamples consist of one prompt, or one cluster, alone."""
ROUNDING = 1e-6
"""Of the arms' standard errors: a smaller one of their difference is the rounding of equal differences."""


MOST_ASTRAY = 0.2
"""Share of a run's texts that may be empty, or have an impossible figure, and the others still count."""


class UnscoredError(ValueError):
    """Too few prompts have the metric in every run, or what they have cannot be averaged."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the prompts say: each arm's mean, baseline first, and each K's distance past parity.

    Attributes:
        prompts: that every arm has scored.
        asked: prompts that an arm was to have a score of.
        clusters: how many of them are independent; as many as prompts where none share a source.
        rate_AP: each arm's figure for each prompt.
        trimmed: the distance past parity by a mean that ignores the worst and the best texts.
        reaches_share: share of resamples in which each K reaches parity.
    """

    prompts: tuple[str, ...]
    asked: int
    clusters: int
    rate_AP: Floats
    means: Studentised
    advantage: Studentised
    trimmed: tuple[Interval, ...]
    reaches_share: tuple[float, ...]


def weigh(arms: Sequence[Measurement], metric: Metric, *, margin: float, resamples: int) -> Evidence:
    """One paired bootstrap over the prompts that every arm has scored.

    Raises:
        UnscoredError: when they are too few, or their scores too large for arithmetic.
    """
    asked = [metric.parts(arm) for arm in arms]
    scored = [{prompt: part for prompt, part in parts.items() if part is not None} for parts in asked]
    prompts = tuple(prompt for prompt in scored[0] if all(prompt in others for others in scored[1:]))
    member_CP = members((*arms[0].likelihood, *arms[0].scores), prompts)
    require_enough(len(prompts), len(member_CP), metric)
    values_AP, weights_AP = np.moveaxis(np.array([[by[prompt] for prompt in prompts] for by in scored]), 2, 0)
    with np.errstate(all="ignore"):
        means, advantage, trimmed, shares = _weigh(values_AP, weights_AP, member_CP, metric, margin, resamples)
    known = (*means.estimate_K, *means.error_K, *advantage.estimate_K, *advantage.error_K)
    if not np.isfinite(known).all():
        raise UnscoredError(f"{metric.label} has scores that are too large to be averaged: score the records again")
    return Evidence(
        prompts=prompts,
        asked=max(map(len, asked)),
        clusters=len(member_CP),
        rate_AP=values_AP / weights_AP,
        means=means,
        advantage=advantage,
        trimmed=trimmed,
        reaches_share=shares,
    )


def comparable(pairing: Pairing, metric: Metric) -> tuple[Pairing, tuple[str, ...]]:
    """The pairing without each K whose texts say too little to be compared, and a line for each of those.

    Every run of a comparison must have the prompts that it rests on: a K without scores would take them from all, and
    one that writes no text where it has nothing to say would be judged by the rest.
    """
    baseline = _scored(pairing.baseline.measurement, metric)
    if reason := _impossible(baseline, metric):
        return replace(pairing, by_steps={}), (f"{pairing.baseline.name}: {metric.label}: {reason}",)
    reasons = {k: _too_little(record.measurement, baseline, metric) for k, record in pairing.by_steps.items()}
    kept = {k: record for k, record in pairing.by_steps.items() if reasons[k] is None}
    lines = tuple(
        f"{pairing.by_steps[k].name}: {metric.label}: {reason}" for k, reason in reasons.items() if reason is not None
    )
    return replace(pairing, by_steps=kept), lines


def _scored(measured: Measurement | None, metric: Metric) -> dict[str, float]:
    """Each prompt's figure; none of a failed run."""
    parts = {} if measured is None else metric.parts(measured)
    return {prompt: part[0] / part[1] for prompt, part in parts.items() if part is not None}


def _impossible(scored: Mapping[str, float], metric: Metric) -> str | None:
    """That too many texts have a figure beyond what the metric can be; None where they have not."""
    beyond = [figure for figure in scored.values() if not metric.is_possible(figure)]
    if len(beyond) <= MOST_ASTRAY * len(scored):
        return None
    return f"{len(beyond)} of {len(scored)} texts have what no text can, such as {beyond[0]:g} {metric.advantage_unit}"


def _too_little(measured: Measurement | None, baseline: Collection[str], metric: Metric) -> str | None:
    """Why a K is not compared; None where it is."""
    if measured is None or len(baseline) < LEAST_PROMPTS:  # then it is the baseline that says too little
        return None
    scored = _scored(measured, metric)
    empty = {score.prompt_id for score in measured.scores if not score.text_bytes and not score.judge_tokens}
    empty &= set(baseline) - scored.keys()
    if len(empty) > MOST_ASTRAY * len(baseline):
        return f"{len(empty)} of {len(baseline)} texts are empty, so that the others say too little"
    if reason := _impossible(scored, metric):
        return reason
    if (known := len(scored.keys() & set(baseline))) < LEAST_PROMPTS:
        return f"known for {known} prompts of it and of the baseline, parity needs {LEAST_PROMPTS}: score it again"
    return None


def require_enough(prompts: int, clusters: int, metric: Metric) -> None:
    """Refuse prompts that are too few, or from too few sources.

    Raises:
        UnscoredError: saying how many there are.
    """
    if clusters >= LEAST_PROMPTS:
        return
    sources = "" if prompts == clusters else f" from {clusters} sources"
    raise UnscoredError(
        f"{metric.label} is known for {prompts} prompts{sources} of every run, parity needs {LEAST_PROMPTS}"
        f"{' sources' if sources else ''}: raise prompts.count, or score the records again"
    )


def _floor(variance_K: Floats, answers_KP: Floats, clusters: int) -> Floor:
    """For shares of right answers: they count for as many independent ones as their clusters leave of them.

    That is the number of answers over how much the clusters widen the variance: at most by the size of a cluster, which
    is also taken where nothing varies.
    """
    size = answers_KP.shape[1] / clusters
    alone_K = answers_KP.var(axis=1, ddof=1) / answers_KP.shape[1]
    widened_K = np.divide(variance_K, alone_K, out=np.full_like(alone_K, size), where=alone_K > 0.0)
    independent_K = answers_KP.shape[1] / widened_K.clip(1.0, size)
    return Floor(error=least_error(independent_K), critical=Z)


def _weigh(
    values_AP: Floats,
    weights_AP: Floats,
    member_CP: Floats,
    metric: Metric,
    margin: float,
    resamples: int,
) -> tuple[Studentised, Studentised, tuple[Interval, ...], tuple[float, ...]]:
    """Means, distances past parity, the same trimmed, and the shares of resamples in which they are 0 or more."""
    drawn = resample(values_AP @ member_CP.T, weights_AP @ member_CP.T, resamples=resamples)
    target_R1, slope_R1 = target_of(drawn.mean_RA[:, :1], metric, margin)
    sign = 1.0 if metric.higher_is_better else -1.0
    error_A = np.sqrt(np.maximum(drawn.variance_RA[0], 0.0))
    least_A = ROUNDING**2 * np.abs(drawn.mean_RA[0])
    advantage_RK = sign * (drawn.mean_RA[:, 1:] - target_R1)
    variance_RK, rate_AP = _variance(drawn, slope_R1), values_AP / weights_AP
    advantage = studentise(
        advantage_RK,
        variance_RK,
        least_error_K=ROUNDING * (error_A[1:] + error_A[0]) + least_A[1:],
        is_difference=True,
        floor=_floor(variance_RK[0], rate_AP[1:] - rate_AP[:1], len(member_CP)) if metric.is_share else None,
    )
    own_floor = _floor(drawn.variance_RA[0], rate_AP, len(member_CP)) if metric.is_share else None
    rate_AC = rate_AP @ (member_CP / member_CP.sum(axis=1, keepdims=True)).T
    shift = float(target_R1[0, 0] - drawn.mean_RA[0, 0])
    return (
        studentise(drawn.mean_RA, drawn.variance_RA, least_error_K=least_A, floor=own_floor),
        advantage,
        tuple(trimmed_mean(sign * (rate_C - rate_AC[0] - shift)) for rate_C in rate_AC[1:]),
        tuple(float(share) for share in (advantage_RK[1:] >= 0).mean(axis=0)),
    )


def members(texts: Iterable[Score | DocumentLikelihood], prompts: Sequence[str]) -> Floats:
    """1 where a prompt belongs to a cluster, else 0; a prompt of which no text names one is a cluster of its own."""
    named = {text.prompt_id: text.cluster for text in texts if text.cluster}
    names = [(named.get(prompt) or "", "" if named.get(prompt) else prompt) for prompt in prompts]
    row_of = {name: index for index, name in enumerate(dict.fromkeys(names))}
    member_CP = np.zeros((len(row_of), len(prompts)))
    member_CP[[row_of[name] for name in names], range(len(prompts))] = 1.0
    return member_CP


def target_of(baseline_R1: Floats, metric: Metric, margin: float) -> tuple[Floats, Floats]:
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
