"""Steps to parity, and the speed-up there, with their uncertainty.

S_parity is the smallest K at which diffusion is at least as good as the baseline. Each figure has its own interval:

- Quality: prompts are a sample. One paired bootstrap draws the same prompts for the baseline and every K
  (`analysis.statistics.bootstrap`), those of one cluster together.
- S_parity: tests turned round. A K stays in the interval unless it is significantly worse than the baseline, or a
  smaller K significantly better. The first test is of one K at a time; the second of all that are not worse together
  (max |t|), since any of the smaller ones could err. Each errs in at most 2.5%. Only a few K are possible, so that the
  interval must hold more often than that almost everywhere: it holds in 95% or more.
- The claim of parity is the upper end of that interval: a K is said to reach the baseline where the second test
  excludes that it falls short by more than the margin. Where no K does, and not every K is significantly worse, nothing
  is decided.
- Crossing: the same tests; each end lies at a measured K (`statistics.crossing`), so that it holds in 95% or more.
- Speed-up: the hull of the ratios of latencies (`statistics.timing`), each with its own interval, over every K in the
  interval of S_parity. The percentiles of a bootstrap that draws K anew each time would be shorter, and too short: a K
  that is rarely drawn may be the true one in every sweep. Where several K remain it holds in more than 95%, as theirs.
  With one process a run it covers those processes alone; with several it covers any.

docs/parity.md says what is covered how often.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from analysis.parity.choice import choose, speedup, speedup_at_crossing
from analysis.parity.comparability import Pairing
from analysis.parity.entropy_gap import entropy_gap
from analysis.parity.evidence import ROUNDING, Evidence, weigh
from analysis.parity.flags import (
    broken_flags,
    choice_flags,
    copying,
    disturbances,
    entropy_flags,
    score_flags,
    share_flags,
    timing_flags,
    unbounded_flags,
)
from analysis.parity.ladder import settings_of
from analysis.parity.parity import Parity
from analysis.parity.quality import Metric
from analysis.statistics.arrays import Floats
from analysis.statistics.bootstrap import Studentised
from analysis.statistics.intervals import Interval
from analysis.statistics.shares import McNemar, mcnemar
from analysis.statistics.timing import Latency, latency, median_interval
from crossover.confidence import LEVEL
from crossover.errors import UserError
from crossover.records.record import Measurement, Record
from crossover.records.settings import Device

RESAMPLES = 2000
VERDICT_MARGIN = {Device.cuda: 0.01, Device.cpu: 0.10}
"""Share by which two processes of one point may differ, so that less is no verdict on single processes."""


class ComparedModels(Protocol):
    """The two models of a parity and their shape: of a pairing at one temperature, or of fronts over several."""

    @property
    def batch(self) -> int:
        """B."""
        ...

    @property
    def length(self) -> int:
        """N."""
        ...

    @property
    def diffusion(self) -> str:
        """The diffusion model's name."""
        ...

    @property
    def baseline_model(self) -> str:
        """The autoregressive model's."""
        ...


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What the prompts say: each arm's mean, the baseline's first, and each K's distance past parity."""

    steps: tuple[int, ...]
    means: Studentised
    advantage: Studentised
    trimmed: tuple[Interval, ...]
    reaches_share: tuple[float, ...]
    prompts: int
    clusters: int
    margin: float
    resamples: int


def find_parity(
    pairing: Pairing,
    metric: Metric,
    *,
    margin: float = 0.0,
    resamples: int = RESAMPLES,
) -> Parity:
    """Steps to parity of `pairing` by `metric`, and the speed-up there.

    Raises:
        UnscoredError: when fewer than `LEAST_PROMPTS` prompts have the metric in every run.
        UserError: when the margin is negative.
    """
    check_margin(margin)
    steps = tuple(pairing.by_steps)
    runs = {"baseline": pairing.baseline, **{f"K={k}": record for k, record in pairing.by_steps.items()}}
    arms = [measured_of(record) for record in runs.values()]
    evidence = weigh(arms, metric, margin=margin, resamples=resamples)
    processes = {name: pairing.processes(record) for name, record in runs.items()}
    times = [latency([measured_of(each) for each in records]) for records in processes.values()]
    parity = assemble(
        pairing,
        metric,
        Judged(
            steps=steps,
            means=evidence.means,
            advantage=evidence.advantage,
            trimmed=evidence.trimmed,
            reaches_share=evidence.reaches_share,
            prompts=len(evidence.prompts),
            clusters=evidence.clusters,
            margin=margin,
            resamples=resamples,
        ),
        times=times,
        processes=processes,
        human=metric.human(arms[0]),
    )
    first = parity.first_steps or steps[-1]
    tests = _tests(evidence) if metric.is_share else ()
    gap = None
    if metric.rewards_repetition:
        gap = entropy_gap(arms[0], arms[1 + steps.index(first)], metric, evidence.prompts)
    return replace(
        parity,
        settings=settings_of(pairing.by_steps),
        entropy_gap=gap,
        mcnemar=tests,
        flags=(
            *score_flags(evidence),
            *broken_flags(steps, evidence, metric),
            *share_flags(steps, tests),
            *parity.flags,
            *entropy_flags(first, gap),
        ),
    )


def assemble(
    pairing: ComparedModels,
    metric: Metric,
    judged: Judged,
    *,
    times: Sequence[Latency | None],
    processes: Mapping[str, Sequence[Record]],
    human: float | None,
    at_entropy: float | None = None,
) -> Parity:
    """The parity that follows from what the prompts say and from the latencies of the baseline and of each K."""
    steps, fewest = judged.steps, _fewest(times)
    copies = copying(processes) if metric.rewards_repetition else {}
    choice = choose(steps, judged.advantage)
    at_parity = speedup(steps, times, choice)
    quality = judged.means.intervals(LEVEL, metric.shown)
    baseline_s, *diffusion_s = (None if time is None else median_interval(time) for time in times)
    device = next(iter(processes.values()))[0].run.device
    return Parity(
        batch=pairing.batch,
        length=pairing.length,
        diffusion=pairing.diffusion,
        baseline_model=pairing.baseline_model,
        metric=metric.name,
        margin=judged.margin,
        prompts=judged.prompts,
        clusters=judged.clusters,
        steps=steps,
        quality=quality[1:],
        baseline=quality[0],
        advantage=judged.advantage.intervals(LEVEL, float),
        trimmed=judged.trimmed,
        reaches_share=judged.reaches_share,
        first_steps=choice.first,
        holds_from_steps=choice.holds_from,
        first_steps_interval=choice.interval,
        monotone=_is_monotone(judged.advantage.estimate_K),
        reading=choice.reading,
        latency_s=tuple(diffusion_s),
        baseline_latency_s=baseline_s,
        speedup=at_parity,
        crossing=choice.crossing,
        crossing_speedup=speedup_at_crossing(steps, times, choice.crossing),
        processes=fewest,
        verdict_margin=0.0 if fewest > 1 else VERDICT_MARGIN[device],
        resamples=judged.resamples,
        disturbed=disturbances(processes),
        human=human,
        at_entropy=at_entropy,
        copying=tuple(copies),
        flags=(
            *copies.values(),
            *unbounded_flags(list(processes), quality, metric),
            *choice_flags(steps, choice, at_parity),
            *timing_flags(processes, wanted=choice.first is not None),
        ),
    )


def _is_monotone(estimate_K: Floats) -> bool:
    """Whether no K is worse than a smaller one, by more than rounding."""
    return bool(np.all(np.diff(estimate_K) >= -(ROUNDING**2) * np.abs(estimate_K).max()))


def _tests(evidence: Evidence) -> tuple[McNemar, ...]:
    if evidence.clusters < len(evidence.prompts):
        return ()
    baseline, *others = evidence.rate_AP.tolist()
    return tuple(mcnemar(baseline, each) for each in others)


def _fewest(times: Sequence[Latency | None]) -> int:
    return min((time.processes for time in times if time is not None), default=1)


def check_margin(margin: float) -> None:
    """Refuse a margin that no metric could have.

    Raises:
        UserError: naming it.
    """
    if not 0 <= margin < math.inf:
        raise UserError(f"margin={margin} is not allowed: give what diffusion may fall short, 0 or more")


def measured_of(record: Record) -> Measurement:
    """What a run of a pairing measured."""
    assert record.measurement is not None, "pairings hold measured runs"
    return record.measurement
