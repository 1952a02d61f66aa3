"""The answer: parity of one pairing by one metric, and what may be said of the speed there."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from analysis.parity.choice import Reading
from analysis.parity.entropy_gap import ENTROPY_BOUND
from analysis.parity.flags import Disturbance
from analysis.statistics.crossing import Crossing
from analysis.statistics.intervals import Interval
from analysis.statistics.shares import McNemar
from crossover.records.machine import Verdict

ALIKE = 1.2
"""Ratio of an interval's ends up to which speeds that it does not tell apart are called alike."""


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
        copying: the arms whose texts copy their prompts, of a metric that rewards repetition.
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
    copying: tuple[str, ...] = ()

    @property
    def is_of_copies(self) -> bool:
        """Whether the texts by which a judge finds parity are copied from their prompts, so that it is none."""
        return any(f"K={k}" in self.copying for k in (self.first_steps, self.first_steps_interval[1]))

    @property
    def is_of_unlike_texts(self) -> bool:
        """Whether the texts differ so much in entropy that a judge's parity is none."""
        return self.entropy_gap is not None and abs(self.entropy_gap.estimate) > ENTROPY_BOUND


class Speed(StrEnum):
    """Of diffusion at the steps to parity, against the baseline."""

    faster = "is faster"
    slower = "is slower"
    alike = "is about as fast"
    open = "may be faster or slower"
    unknown = "is of unknown speed"


def speed_of(parity: Parity) -> Speed:
    """What is shown; faster or slower only beyond the margin that the number of processes asks for."""
    speedup, margin = parity.speedup, math.inf if _is_alone_and_disturbed(parity) else parity.verdict_margin
    if speedup is None:
        return Speed.unknown
    if speedup.low > 1 + margin:
        return Speed.faster
    if speedup.high * (1 + margin) < 1:
        return Speed.slower
    if speedup.high < ALIKE * speedup.low and margin < math.inf:
        return Speed.alike
    return Speed.open


def _is_alone_and_disturbed(parity: Parity) -> bool:
    """Whether single processes were timed on a disturbed machine: no margin is wide enough for them."""
    return parity.processes == 1 and any(each.verdict is Verdict.disturbed for each in parity.disturbed)
