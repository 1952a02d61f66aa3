"""Steps to parity, and the speed-up there, with their uncertainty.

S_parity is the smallest K at which diffusion is at least as good as the baseline. Each figure has its own interval:

- Quality: prompts are a sample. One paired bootstrap draws the same prompts for the baseline and every K
  (`analysis.statistics.bootstrap`).
- S_parity: tests turned round. A K stays in the interval unless it is significantly worse than the baseline, or a
  smaller K significantly better. The first test is of one K at a time; the second of all that are not worse together
  (max |t|), since any of the smaller ones could err. Each errs in at most 2.5%. Only a few K are possible, so that the
  interval must hold more often than that almost everywhere: read it as 95% or more.
- Crossing: the same tests between the K (`statistics.crossing`). It can lie anywhere, so its interval holds in 95%.
- Speed-up: the hull of the ratios of medians (`statistics.timing`), each with its own interval, over every K in the
  interval of S_parity. The percentiles of a bootstrap that draws K anew each time would be shorter, and too short: a K
  that is rarely drawn may be the true one in every sweep. Where several K remain it holds in more than 95%, as theirs.
- Speed-up at the crossing: the two errors, of timing and of the crossing, added as squares.

docs/parity.md says what is covered how often.
"""

import math
from dataclasses import dataclass

import numpy as np

from analysis.parity.choice import Reading, choose, speedup, speedup_at_crossing
from analysis.parity.comparability import Pairing
from analysis.parity.evidence import weigh
from analysis.parity.flags import choice_flags, entropy_flags, score_flags
from analysis.parity.quality import Metric
from analysis.statistics.crossing import Crossing
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import latency, median_interval
from crossover.confidence import LEVEL
from crossover.errors import UserError
from crossover.records.record import Measurement, Record

ENTROPY_BOUND = 0.25
"""Nats by which the arms' entropies may differ before parity by perplexity is flagged: 1.28 times the token variety."""
RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Parity of one pairing by one metric.

    Attributes:
        margin: what diffusion may fall short of the baseline, in the metric's unit.
        prompts: on which both arms and every K have a score.
        steps: each K, smallest first; `quality`, `advantage`, `reaches_probability` and `latency_s` follow it.
        advantage: distance past parity, in nats per judge token or in F1, above 0 where K reaches it, margin included.
        reaches_probability: share of resamples in which K reaches parity.
        first_steps: S_parity, the first K that reaches the baseline; None when none does.
        holds_from_steps: K from which on every K reaches it.
        first_steps_interval: ends of the interval of S_parity; None stands for beyond the largest K.
        monotone: no measured quality is worse than that of a smaller K.
        speedup: baseline's latency over diffusion's at S_parity; None when it is not reached or timed once only.
        crossing: where, between the K, diffusion is just as good as the baseline.
        crossing_speedup: baseline's latency over diffusion's there; None as above, or where the curves do not cross.
        resamples: of the prompts, behind the intervals of quality.
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
    crossing: Crossing
    crossing_speedup: Interval | None
    resamples: int
    flags: tuple[str, ...]


def find_parity(
    pairing: Pairing,
    metric: Metric,
    *,
    margin: float = 0.0,
    resamples: int = RESAMPLES,
    seed: int = 0,
    entropy_bound: float = ENTROPY_BOUND,
) -> Parity:
    """Steps to parity of `pairing` by `metric`, and the speed-up there.

    Raises:
        UnscoredError: when fewer than `LEAST_PROMPTS` prompts have the metric in every run.
        UserError: when the margin is negative.
    """
    check_margin(margin)
    arms = [_measured(pairing.baseline), *map(_measured, pairing.by_steps.values())]
    evidence = weigh(arms, metric, margin=margin, resamples=resamples, seed=seed)
    steps = tuple(pairing.by_steps)
    choice = choose(steps, evidence.advantage, evidence.covariance_KK)
    times = [latency(arm) for arm in arms]
    at_parity = speedup(steps, times, choice)
    quality = evidence.means.intervals(LEVEL, metric.shown)
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
        advantage=evidence.advantage.intervals(LEVEL, float),
        reaches_probability=evidence.reaches_probability,
        first_steps=choice.first,
        holds_from_steps=choice.holds_from,
        first_steps_interval=choice.interval,
        monotone=bool(np.all(np.diff(evidence.advantage.estimate_K) >= 0)),
        reading=choice.reading,
        latency_s=tuple(median_interval(time) for time in times[1:]),
        baseline_latency_s=median_interval(times[0]),
        speedup=at_parity,
        crossing=choice.crossing,
        crossing_speedup=speedup_at_crossing(steps, times, choice.crossing),
        resamples=resamples,
        flags=(
            *score_flags(arms, evidence.prompts),
            *choice_flags(steps, choice, at_parity),
            *entropy_flags(steps, arms, evidence.prompts, choice, entropy_bound if metric.rewards_repetition else None),
        ),
    )


def check_margin(margin: float) -> None:
    """Refuse a margin that no metric could have.

    Raises:
        UserError: naming it.
    """
    if not 0 <= margin < math.inf:
        raise UserError(f"margin={margin} is not allowed: give what diffusion may fall short, 0 or more")


def _measured(record: Record) -> Measurement:
    assert record.measurement is not None, "pairings hold measured runs"
    return record.measurement
