"""Parity read between fronts: quality where an arm's texts are as varied as the authors'.

A judge rewards text that is easy to predict, and every arm can be made so by a lower temperature. So each arm is run
over temperatures, which gives it a front of quality against entropy. Its quality is read where the entropy is that of
the documents' true continuations (in the arm's own tokens): on the straight line between the two temperatures that lie
around it. `analysis.statistics.interpolation` says with what error. From there on parity is found as at one
temperature (`analysis.parity.steps_to_parity`).

Dimensions: R resamples; A arms, the first the baseline; T temperatures of all arms; C clusters; P prompts; K steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.parity.evidence import ROUNDING, UnscoredError, target_of
from analysis.parity.fronts.arm import Arm, arms_of
from analysis.parity.fronts.pairings import FrontPairing
from analysis.parity.parity import Parity
from analysis.parity.quality import Metric
from analysis.parity.steps_to_parity import RESAMPLES, Judged, assemble, check_margin
from analysis.statistics.arrays import Floats
from analysis.statistics.bootstrap import Studentised, counts, resample, studentise
from analysis.statistics.interpolation import Interpolated, variance_of
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import Latency, between, latency
from crossover.confidence import LEVEL


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """One temperature of an arm."""

    temperature: float
    entropy: Interval
    quality: Interval


@dataclass(frozen=True, kw_only=True)
class Front:
    """One arm over temperatures.

    Attributes:
        steps: K; None for the baseline.
        human_entropy: of the true continuations, in this arm's tokens.
        around: the temperatures between which the arm is read; None where its entropies do not reach the authors'.
        at_human: its quality there.
    """

    steps: int | None
    points: tuple[FrontPoint, ...]
    human_entropy: float
    around: tuple[float, float] | None
    at_human: Interval | None

    @property
    def name(self) -> str:
        """As flags and tables call the arm."""
        return "baseline" if self.steps is None else f"K={self.steps}"


@dataclass(frozen=True, kw_only=True)
class Fronts:
    """The fronts of one pairing by one metric, the baseline's first, and the parity between them.

    Attributes:
        human: the metric of the true continuations.
        parity: None where the baseline, or every K, does not reach the entropy of the human line.
    """

    batch: int
    length: int
    diffusion: str
    baseline_model: str
    metric: str
    prompts: int
    human: float | None
    fronts: tuple[Front, ...]
    parity: Parity | None


def read_fronts(pairing: FrontPairing, metric: Metric, *, margin: float = 0.0, resamples: int = RESAMPLES) -> Fronts:
    """The fronts of `pairing` by a metric of the outputs, and the parity between them.

    Raises:
        UnscoredError: when too few prompts have metric and entropy in every run and in the true continuations.
        UserError: when the margin is negative.
    """
    check_margin(margin)
    arms, prompts, asked = arms_of(pairing, metric)
    counts_RC = counts(len(arms[0].aim_C), resamples)
    read = [arm for arm in arms if arm.ends is not None]
    with np.errstate(all="ignore"):
        points = [_points(arm, metric, resamples) for arm in arms]
        readings = [arm.read(counts_RC) for arm in read]
        means = _means(readings, counts_RC) if read else None
    quality = () if means is None else means.intervals(LEVEL, metric.shown)
    at_human = {arm.steps: interval for arm, interval in zip(read, quality, strict=True)}
    fronts = Fronts(
        batch=pairing.batch,
        length=pairing.length,
        diffusion=pairing.diffusion,
        baseline_model=pairing.baseline_model,
        metric=metric.name,
        prompts=len(prompts),
        human=metric.human(pairing.baseline[0].measured),
        fronts=tuple(
            Front(
                steps=arm.steps,
                points=of_arm,
                human_entropy=arm.aim,
                around=arm.around,
                at_human=at_human.get(arm.steps),
            )
            for arm, of_arm in zip(arms, points, strict=True)
        ),
        parity=None,
    )
    if means is None or None not in at_human or len(read) == 1:
        return fronts
    judged = replace(_judged(read, readings, means, counts_RC, metric, margin), prompts=len(prompts))
    parity = assemble(
        pairing,
        metric,
        judged,
        times=[_latency(arm, reading.share) for arm, reading in zip(read, readings, strict=True)],
        processes={arm.name: [each for end in arm.used for each in end.processes] for arm in read},
        human=fronts.human,
        at_entropy=read[0].aim,
    )
    return replace(fronts, parity=replace(parity, flags=(*_flags(arms, len(prompts), asked), *parity.flags)))


def _points(arm: Arm, metric: Metric, resamples: int) -> tuple[FrontPoint, ...]:
    quality = resample(arm.values_TC, arm.weights_TC, resamples=resamples)
    entropy = resample(arm.entropy_TC, arm.weights_TC, resamples=resamples)
    qualities = studentise(quality.mean_RA, quality.variance_RA).intervals(LEVEL, metric.shown)
    entropies = studentise(entropy.mean_RA, entropy.variance_RA).intervals(LEVEL, float)
    return tuple(
        FrontPoint(temperature=setting.temperature, entropy=nats, quality=value)
        for setting, nats, value in zip(arm.settings, entropies, qualities, strict=True)
    )


def _means(readings: Sequence[Interpolated], counts_RC: Floats) -> Studentised:
    values_RA = np.stack([each.value_R for each in readings], axis=1)
    variance_RA = np.stack([variance_of(each.influence_RC, counts_RC) for each in readings], axis=1)
    return studentise(values_RA, variance_RA, least_error_K=ROUNDING**2 * np.abs(values_RA[0]))


def _judged(
    read: Sequence[Arm],
    readings: Sequence[Interpolated],
    means: Studentised,
    counts_RC: Floats,
    metric: Metric,
    margin: float,
) -> Judged:
    """Each K's distance past parity at the authors' entropy.

    Raises:
        UnscoredError: when it is more than a number can hold.
    """
    baseline, *others = readings
    target_R1, slope_R1 = target_of(baseline.value_R[:, None], metric, margin)
    sign = 1.0 if metric.higher_is_better else -1.0
    with np.errstate(all="ignore"):
        advantage_RK = sign * (np.stack([each.value_R for each in others], axis=1) - target_R1)
        variance_RK = np.stack(
            [variance_of(each.influence_RC - slope_R1 * baseline.influence_RC, counts_RC) for each in others], axis=1
        )
    least_K = ROUNDING * (means.error_K[1:] + means.error_K[0]) + ROUNDING**2 * np.abs(means.estimate_K[1:])
    advantage = studentise(advantage_RK, variance_RK, least_error_K=least_K, is_difference=True)
    if not all(np.isfinite(each).all() for each in (advantage.estimate_K, advantage.error_K, means.error_K)):
        raise UnscoredError(f"{metric.label} has scores that are too large to be averaged: score the records again")
    return Judged(
        steps=tuple(arm.steps for arm in read if arm.steps is not None),
        means=means,
        advantage=advantage,
        trimmed=(),
        reaches_share=tuple(float(share) for share in (advantage_RK[1:] >= 0).mean(axis=0)),
        prompts=0,
        clusters=counts_RC.shape[1],
        margin=margin,
        resamples=len(counts_RC) - 1,
    )


def _latency(arm: Arm, share: float) -> Latency | None:
    """Between the temperatures, as far along as the entropy."""
    first, last = (
        latency([each.measurement for each in end.processes if each.measurement is not None]) for end in arm.used
    )
    return None if first is None or last is None else between(first, last, share)


def _flags(arms: Sequence[Arm], prompts: int, asked: int) -> list[str]:
    """What the reading rests on, and which K it leaves out."""
    lines = [f"{asked - prompts} of {asked} prompts lack a score in some run"] if prompts < asked else []
    sources = len(arms[0].aim_C)
    lines += [f"the {prompts} prompts come from {sources} sources, which were drawn whole"] if sources < prompts else []
    absent = [arm.name for arm in arms if arm.around is None]
    if absent:
        lines.append(f"left out, since no two temperatures have entropies around the authors': {', '.join(absent)}")
    spans = [f"{arm.name} {arm.around[0]:g} to {arm.around[1]:g}" for arm in arms if arm.around is not None]
    return [*lines, f"read on a straight line between two temperatures: {', '.join(spans)}"]
