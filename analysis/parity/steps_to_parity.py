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
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from analysis.parity.choice import Reading, choose, speedup, speedup_at_crossing
from analysis.parity.comparability import Pairing
from analysis.parity.entropy_gap import ENTROPY_BOUND, entropy_gap
from analysis.parity.evidence import ROUNDING, Evidence, weigh
from analysis.parity.flags import (
    Disturbance,
    broken_flags,
    choice_flags,
    disturbances,
    entropy_flags,
    score_flags,
    share_flags,
    timing_flags,
    unbounded_flags,
)
from analysis.parity.ladder import settings_of
from analysis.parity.quality import Metric
from analysis.statistics.arrays import Floats
from analysis.statistics.bootstrap import Studentised
from analysis.statistics.crossing import Crossing
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


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Parity of one pairing by one metric.

    Attributes:
        margin: what diffusion may fall short of the baseline, in the metric's unit.
        prompts: on which both arms and every K have a score; `clusters`: how many of them are independent.
        steps: each K, smallest first; `quality`, `advantage`, `trimmed`, `reaches_share` and `latency_s` follow it.
        advantage: distance past parity in `Metric.advantage_unit`, above 0 where K reaches it, margin included.
        trimmed: the same by a mean that leaves out the best and the worst fifth of the texts.
        reaches_share: share of resamples in which K reaches parity; no probability of anything.
        first_steps: the estimate of S_parity, the first K whose estimate reaches the baseline; None when none does.
        holds_from_steps: K from which on every K's estimate reaches it.
        first_steps_interval: ends of the interval of S_parity; None stands for beyond the largest K.
        reading: what that interval shows. `first_steps_interval[1]` is the K that is shown to reach the baseline.
        monotone: no measured quality is worse than that of a smaller K.
        latency_s, baseline_latency_s: None where a clock did not run forward.
        speedup: baseline's latency over diffusion's at the estimate of S_parity; None when there is none, or a latency
            was timed once only.
        crossing: where, between the K, diffusion is just as good as the baseline.
        crossing_speedup: baseline's latency over diffusion's there; None as above, or where the curves do not cross.
        processes: that measured the run that has the fewest; with one, timing intervals cover those processes alone.
        verdict_margin: share by which a speed-up must differ from 1, its interval included, before it is called one.
        resamples: of the prompts, behind the intervals of quality.
        disturbed: the arms whose machine was disturbed or could not be watched.
        flags: what else a reader must know before quoting the figures.
        human: the metric of the documents' true continuations; None where no judge read them.
        at_entropy: of a parity between fronts, the entropy at which they were read: that of the true continuations.
        entropy_gap: by how many nats the entropy of diffusion's texts differs from the baseline's, at S_parity or at
            the largest K where it is not reached; of a metric that rewards repetition, at one temperature.
        settings: of a policy that follows the text, the setting of each K, which counts forward passes then; else none.
        mcnemar: of a share of right answers, the test of each K; none where answers depend on each other.
    """

    batch: int
    length: int
    diffusion: str
    baseline_model: str
    metric: str
    margin: float
    prompts: int
    clusters: int
    steps: tuple[int, ...]
    quality: tuple[Interval, ...]
    baseline: Interval
    advantage: tuple[Interval, ...]
    trimmed: tuple[Interval, ...]
    reaches_share: tuple[float, ...]
    first_steps: int | None
    holds_from_steps: int | None
    first_steps_interval: tuple[int | None, int | None]
    monotone: bool
    reading: Reading
    latency_s: tuple[Interval | None, ...]
    baseline_latency_s: Interval | None
    speedup: Interval | None
    crossing: Crossing
    crossing_speedup: Interval | None
    processes: int
    verdict_margin: float
    resamples: int
    disturbed: tuple[Disturbance, ...]
    flags: tuple[str, ...]
    human: float | None = None
    at_entropy: float | None = None
    entropy_gap: Interval | None = None
    mcnemar: tuple[McNemar, ...] = ()
    settings: Mapping[int, str] = field(default_factory=dict)

    @property
    def is_of_unlike_texts(self) -> bool:
        """Whether the texts differ so much in entropy that a judge's parity is none."""
        return self.entropy_gap is not None and abs(self.entropy_gap.estimate) > ENTROPY_BOUND


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
        flags=(
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
