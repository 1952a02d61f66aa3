"""Steps to parity, and the speed-up there, with their uncertainty.

S_parity is the smallest K at which diffusion is at least as good as the baseline. Each figure has its own interval:

- Quality: prompts are a sample. One paired bootstrap draws the same prompts for the baseline and every K
  (`analysis.bootstrap`).
- S_parity: tests turned round. A K stays in the interval unless it is significantly worse than the baseline, or a
  smaller K significantly better. The first test is of one K at a time; the second of all together (max |t|), since any
  of the smaller ones could err. Each errs in at most half of 1 - level.
- Speed-up: the hull of the ratios of medians (`analysis.timing`), each with its own interval, over every K in the
  interval of S_parity. The percentiles of a bootstrap that draws K anew each time would be shorter, and too short: a K
  that is rarely drawn may be the true one in every sweep.

docs/parity.md says what is covered how often.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from statistics import fmean

import numpy as np

from analysis.bootstrap import Floats, Resampled, Studentised, resample, studentise
from analysis.comparability import Pairing
from analysis.intervals import Interval
from analysis.quality import Metric
from analysis.timing import Latency, latency, median_interval, ratio_interval
from benchmark.record import Measurement, Record, Score

__all__ = [
    "ENTROPY_BOUND",
    "LEAST_PROMPTS",
    "Interval",
    "Parity",
    "Reading",
    "UnscoredError",
    "find_parities",
    "find_parity",
]

ENTROPY_BOUND = 0.25
"""Nats by which the arms' entropies may differ before parity by perplexity is flagged: a factor 1.28 in token variety."""
LEAST_PROMPTS = 5
"""Below this too many resamples consist of one prompt alone."""
RESAMPLES = 2000


class UnscoredError(ValueError):
    """Too few prompts have the metric in every run."""


class Reading(StrEnum):
    """What the sweep says about S_parity."""

    reached = "reached"
    smallest = "already at the smallest K"
    not_reached = "not reached"


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Parity of one pairing by one metric.

    Attributes:
        margin: what diffusion may fall short of the baseline, in the metric's unit.
        prompts: on which both arms and every K have a score.
        steps: each K, smallest first; `quality`, `advantage`, `reaches_probability` and `latency_s` follow it.
        advantage: distance past parity in `Metric.advantage_unit`, above 0 where K reaches it, margin included.
        reaches_probability: share of resamples in which K reaches parity.
        first_steps: S_parity, the first K that reaches the baseline; None when none does.
        holds_from_steps: K from which on every K reaches it.
        first_steps_interval: ends of the interval of S_parity; None stands for beyond the largest K.
        monotone: no measured quality is worse than that of a smaller K.
        speedup: baseline's latency over diffusion's at S_parity; None when it is not reached or timed once only.
        flags: what a reader must know before quoting the figures.
    """

    batch: int
    length: int
    diffusion: str
    baseline_model: str
    metric: str
    margin: float
    prompts: int
    steps: tuple[int, ...]
    quality: tuple[Interval, ...]
    baseline: Interval
    advantage: tuple[Interval, ...]
    reaches_probability: tuple[float, ...]
    first_steps: int | None
    holds_from_steps: int | None
    first_steps_interval: tuple[int | None, int | None]
    monotone: bool
    reading: Reading
    latency_s: tuple[Interval, ...]
    baseline_latency_s: Interval
    speedup: Interval | None
    flags: tuple[str, ...]


def find_parity(
    pairing: Pairing,
    metric: Metric,
    *,
    margin: float = 0.0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    entropy_bound: float = ENTROPY_BOUND,
) -> Parity:
    """Steps to parity of `pairing` by `metric`, and the speed-up there.

    Raises:
        UnscoredError: when fewer than `LEAST_PROMPTS` prompts have the metric in every run.
        ValueError: when the margin is negative.
    """
    check_margin(margin)
    arms = [_measured(pairing.baseline), *map(_measured, pairing.by_steps.values())]
    evidence = _weigh(arms, metric, margin=margin, resamples=resamples, seed=seed)
    steps = tuple(pairing.by_steps)
    choice = _choose(steps, evidence.advantage, level)
    times = [latency(arm) for arm in arms]
    speedup = _speedup(steps, times, choice, level)
    quality = evidence.means.intervals(level, metric.shown)
    return Parity(
        batch=pairing.batch,
        length=pairing.length,
        diffusion=pairing.diffusion,
        baseline_model=pairing.baseline_model,
        metric=metric.name,
        margin=margin,
        prompts=len(evidence.prompts),
        steps=steps,
        quality=quality[1:],
        baseline=quality[0],
        advantage=evidence.advantage.intervals(level, float),
        reaches_probability=evidence.reaches_probability,
        first_steps=choice.first,
        holds_from_steps=choice.holds_from,
        first_steps_interval=choice.interval,
        monotone=bool(np.all(np.diff(evidence.advantage.estimate_K) >= 0)),
        reading=choice.reading,
        latency_s=tuple(median_interval(time, level) for time in times[1:]),
        baseline_latency_s=median_interval(times[0], level),
        speedup=speedup,
        flags=(
            *_score_flags(arms, evidence.prompts),
            *_choice_flags(steps, choice, speedup),
            *_entropy_flags(steps, arms, evidence.prompts, choice, entropy_bound if metric.exponential else None),
        ),
    )


def find_parities(
    pairings: Iterable[Pairing],
    metrics: Iterable[Metric],
    *,
    margin: float = 0.0,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> tuple[list[Parity], list[str]]:
    """Parity of every pairing by every metric, and a line for each that has too few scores."""
    found, without = [], []
    for pairing, metric in product(pairings, tuple(metrics)):
        try:
            found.append(find_parity(pairing, metric, margin=margin, resamples=resamples, level=level))
        except UnscoredError as error:
            without.append(f"{pairing.diffusion} B={pairing.batch} N={pairing.length}: {error}")
    return found, without


def check_margin(margin: float) -> None:
    """Refuse a margin that no metric could have.

    Raises:
        ValueError: naming it.
    """
    if not 0 <= margin < math.inf:
        raise ValueError(f"margin={margin} is not allowed: give what diffusion may fall short, 0 or more")


@dataclass(frozen=True, kw_only=True)
class _Evidence:
    """What the prompts say: each arm's mean, baseline first, and each K's distance past parity."""

    prompts: tuple[str, ...]
    means: Studentised
    advantage: Studentised
    reaches_probability: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """Which K reaches parity: first, from where on it holds, and the interval of the first."""

    first: int | None
    holds_from: int | None
    interval: tuple[int | None, int | None]
    reading: Reading


def _measured(record: Record) -> Measurement:
    assert record.measurement is not None, "pairings hold measured runs"
    return record.measurement


def _weigh(arms: Sequence[Measurement], metric: Metric, *, margin: float, resamples: int, seed: int) -> _Evidence:
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
    advantage_RK, variance_RK = _advantage(drawn, metric, margin)
    return _Evidence(
        prompts=prompts,
        means=studentise(drawn.mean_RA, drawn.variance_RA),
        advantage=studentise(advantage_RK, variance_RK),
        reaches_probability=tuple(float(share) for share in (advantage_RK[1:] >= 0).mean(axis=0)),
    )


def _scored(scores: Iterable[Score], metric: Metric) -> dict[str, tuple[float, float]]:
    parts = ((score.prompt_id, metric.part(score)) for score in scores)
    return {prompt: part for prompt, part in parts if part is not None}


def _advantage(drawn: Resampled, metric: Metric, margin: float) -> tuple[Floats, Floats]:
    """Distance past parity of each K in each resample, and its variance.

    An exponential metric is compared by its logarithm: target = log(exp(baseline) + margin) when lower is better, of
    slope 1 / (1 + margin * exp(-baseline)) in the baseline.
    """
    sign = 1.0 if metric.higher_is_better else -1.0
    baseline_R1 = drawn.mean_RA[:, :1]
    if metric.exponential:
        relative_R1 = -sign * margin * np.exp(-baseline_R1)
        target_R1, slope_R1 = baseline_R1 + np.log1p(relative_R1), 1.0 / (1.0 + relative_R1)
    else:
        target_R1, slope_R1 = baseline_R1 - sign * margin, np.ones_like(baseline_R1)
    variance_RK: Floats = (
        drawn.variance_RA[:, 1:] + slope_R1**2 * drawn.variance_RA[:, :1] - 2.0 * slope_R1 * drawn.covariance_RA[:, 1:]
    )
    advantage_RK: Floats = sign * (drawn.mean_RA[:, 1:] - target_R1)
    return advantage_RK, variance_RK


def _choose(steps: tuple[int, ...], advantage: Studentised, level: float) -> _Choice:
    """S_parity and its interval, by the tests that the module describes."""
    estimate_K, error_K = advantage.estimate_K, advantage.error_K
    first = _first(steps, estimate_K >= 0)
    failing = [k for k, value in zip(steps, estimate_K, strict=True) if value < 0]
    holds_from = _first(steps, np.array(steps) > max(failing, default=0))
    not_worse_K = estimate_K + advantage.critical_K(level) * error_K >= 0
    better_K = estimate_K - advantage.joint_critical(level) * error_K >= 0
    return _Choice(
        first=first,
        holds_from=holds_from,
        interval=(_first(steps, not_worse_K), _first(steps, better_K)),
        reading=Reading.not_reached if first is None else Reading.smallest if first == steps[0] else Reading.reached,
    )


def _first(steps: Iterable[int], holds_K: Iterable[np.bool_]) -> int | None:
    return next((k for k, holds in zip(steps, holds_K, strict=True) if holds), None)


def _speedup(steps: Sequence[int], times: Sequence[Latency], choice: _Choice, level: float) -> Interval | None:
    """The baseline's latency over diffusion's at S_parity, as wide as all K in the interval of S_parity make it."""
    if choice.first is None:
        return None
    low, high = choice.interval
    assert low is not None, "a K that reaches parity is not significantly worse"
    by_steps = dict(zip(steps, times[1:], strict=True))
    possible = [k for k in steps if low <= k <= (steps[-1] if high is None else high)]
    ratios = {k: ratio_interval(times[0], by_steps[k], level) for k in possible}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    at_parity = ratios[choice.first]
    if at_parity is None or len(known) < len(ratios):
        return None
    return Interval(at_parity.estimate, min(ratio.low for ratio in known), max(ratio.high for ratio in known), level)


def _score_flags(arms: Sequence[Measurement], prompts: Sequence[str]) -> list[str]:
    asked = max(len(arm.scores) for arm in arms)
    return [f"{asked - len(prompts)} of {asked} prompts lack a score in some run"] if len(prompts) < asked else []


def _choice_flags(steps: Sequence[int], choice: _Choice, speedup: Interval | None) -> list[str]:
    flags = []
    if choice.first != choice.holds_from:
        holds = "never holds" if choice.holds_from is None else f"holds from K={choice.holds_from} on"
        flags.append(f"reached first at K={choice.first}, but lost again; {holds}")
    if choice.first is not None and choice.interval[1] is None:
        flags.append(f"may not be reached up to K={steps[-1]}: the speed-up's interval assumes that it is")
    if choice.first is not None and speedup is None:
        flags.append("a latency was timed once only: no speed-up")
    return flags


def _entropy_flags(
    steps: Sequence[int],
    arms: Sequence[Measurement],
    prompts: Sequence[str],
    choice: _Choice,
    bound: float | None,
) -> list[str]:
    """Whether the arms' entropies differ at S_parity, or at the largest K where it is not reached."""
    if bound is None:
        return []
    k = choice.first or steps[-1]
    gap = _entropy(arms[1 + steps.index(k)], prompts) - _entropy(arms[0], prompts)
    if abs(gap) <= bound:
        return []
    side = "above" if gap > 0 else "below"
    return [f"entropy at K={k} is {abs(gap):.2f} nats {side} the baseline's, more than {bound:g}: perplexity misleads"]


def _entropy(arm: Measurement, prompts: Sequence[str]) -> float:
    wanted = set(prompts)
    return fmean(score.entropy_nats for score in arm.scores if score.prompt_id in wanted)
