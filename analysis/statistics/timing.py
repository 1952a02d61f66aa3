"""Median latencies and their ratios, each with an interval that says what it covers: one process, or all of them.

One process: the interval of the median of its samples (`analysis.statistics.medians`), stretched where the samples
depend on each other (`analysis.statistics.dependence`) and where the run stopped as soon as its interval was narrow.
It says what the same process would show with ever more samples, and nothing of another process.

Several processes: each gives the logarithm of its median. Their mean has the interval of Student's t with one degree
of freedom less than there are processes, whatever happens within a process. Two such means are set against each other
by Welch's t ("The generalization of Student's problem when several different population variances are involved",
Biometrika 34, 1947).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, stdev

import numpy as np
from scipy.special import stdtr, stdtrit

from analysis.statistics.dependence import dependence
from analysis.statistics.intervals import Interval, around
from analysis.statistics.latency_checks import why_no_latency
from analysis.statistics.medians import reaches, shortening_of_two, stretch_of_few
from analysis.statistics.remembered import remembered
from crossover.confidence import LEVEL
from crossover.records.record import Measurement, StoppedBy

LEAST_SAMPLES = 2
"""One sample says nothing of its noise."""
ENOUGH_SAMPLES, ENOUGH_EQUAL_SAMPLES = 6, 5
"""From which the seen spreads of two arms may shorten the interval of their ratio."""
STOPPED_STRETCH = 1.12
"""For a run that stopped when its interval was narrow: it stops sooner where that is so by chance (by simulation)."""
TWO_SIDED = (1 + LEVEL) / 2


@dataclass(frozen=True, kw_only=True)
class Latency:
    """The median latency of one process, or the mean of several processes' medians, on the logarithmic scale.

    Attributes:
        samples: of the process that has the fewest.
        below, above: how far the ends of the interval at `LEVEL` lie from `log_median`, before any factor for few
            samples;
            0 without noise and for a single sample.
        processes: how many there were; with one the interval covers that process alone.
        error: standard error of the mean of several processes' logarithms; 0 for one.
        degrees: degrees of freedom behind `error`, or behind the interval of one process.
        alone: by how much its own interval is longer, since nobody knows how far its samples depend on each other.
    """

    samples: int
    log_median: float
    below: float
    above: float
    processes: int = 1
    error: float = 0.0
    degrees: float = 1.0
    alone: float = 1.0

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return (self.below + self.above) / 2

    @property
    def reaches(self) -> tuple[float, float]:
        """How far the interval reaches down and up, however few the samples."""
        if self.processes > 1:
            return self.below, self.above
        factor = stretch_of_few(self.samples) if self.samples >= LEAST_SAMPLES else 0.0
        return factor * self.alone * self.below, factor * self.alone * self.above


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The logarithm of a ratio of two latencies, how far its interval reaches, and its degrees of freedom."""

    log_ratio: float
    below: float
    above: float
    degrees: float

    @property
    def interval(self) -> Interval:
        """The ratio itself."""
        return around(self.log_ratio, self.below, self.above)

    def p_value(self, margin: float) -> float:
        """Of the hypothesis that the ratio lies within 1 / (1 + margin) and 1 + margin, by Student's t, two-sided."""
        excess = abs(self.log_ratio) - math.log1p(margin)
        if excess <= 0:
            return 1.0
        error = (self.below if self.log_ratio > 0 else self.above) / float(stdtrit(self.degrees, TWO_SIDED))
        return 0.0 if error == 0 else 2 * float(stdtr(self.degrees, -excess / error))


def latency(measurements: Sequence[Measurement]) -> Latency | None:
    """The median end-to-end latency of the processes that measured one point; None where no clock ran forward."""
    usable = [each for each in measurements if why_no_latency(each) is None]
    if not usable:
        return None
    return over_processes([_of_process(each) for each in usable])


def summarise(latencies_s: Sequence[float]) -> Latency:
    """The median of one process's positive `latencies_s`, in the order in which they were taken."""
    logs_S = np.log(np.asarray(latencies_s, dtype=np.float64))
    middle_1, below_1, above_1 = reaches(logs_S[None])
    log_median = math.log(median(latencies_s))
    shift = log_median - float(middle_1[0])  # an even number: average the middle two, then the logarithm
    depends = dependence(logs_S)
    return Latency(
        samples=len(latencies_s),
        log_median=log_median,
        below=depends.stretch * max(0.0, float(below_1[0]) + shift),
        above=depends.stretch * max(0.0, float(above_1[0]) - shift),
        degrees=max(1.0, depends.degrees),
        alone=depends.alone,
    )


def over_processes(each: Sequence[Latency]) -> Latency:
    """The mean of several processes' medians, on the logarithmic scale; of one, that one."""
    if len(each) == 1:
        return each[0]
    logs = [one.log_median for one in each]
    error, degrees = stdev(logs) / math.sqrt(len(logs)), len(logs) - 1
    half = float(stdtrit(degrees, TWO_SIDED)) * error
    return Latency(
        samples=min(one.samples for one in each),
        log_median=fmean(logs),
        below=half,
        above=half,
        processes=len(logs),
        error=error,
        degrees=degrees,
    )


def between(one: Latency, other: Latency, share: float) -> Latency:
    """A latency on the straight line between two logarithms, at `share` of the way."""
    if share in {0.0, 1.0}:
        return other if share else one
    return Latency(
        samples=min(one.samples, other.samples),
        log_median=(1 - share) * one.log_median + share * other.log_median,
        below=math.hypot((1 - share) * one.below, share * other.below),
        above=math.hypot((1 - share) * one.above, share * other.above),
        processes=min(one.processes, other.processes),
        error=math.hypot((1 - share) * one.error, share * other.error),
        degrees=min(one.degrees, other.degrees),
    )


def median_interval(latency: Latency) -> Interval:
    """The latency in seconds. The interval of a single sample has no width: nothing is known of its noise."""
    return around(latency.log_median, *latency.reaches)


def ratio_of(above: Latency, below: Latency, *, least_factor: float = 0.0) -> Ratio | None:
    """The ratio of two latencies; None when either rests on a single sample of a single process.

    `least_factor` is the smallest factor that the caller accepts for single processes: 1 never shortens.
    """
    if above.processes > 1 and below.processes > 1:
        return _welch(above, below)
    if any(each.processes == 1 and each.samples < LEAST_SAMPLES for each in (above, below)):
        return None
    down, up = _mover(above, below, least_factor)
    return Ratio(
        log_ratio=above.log_median - below.log_median,
        below=down,
        above=up,
        degrees=min(above.degrees, below.degrees),
    )


def ratio_interval(above: Latency, below: Latency, *, least_factor: float = 0.0) -> Interval | None:
    """The same with its interval alone."""
    ratio = ratio_of(above, below, least_factor=least_factor)
    return None if ratio is None else ratio.interval


@remembered
def _of_process(measurement: Measurement) -> Latency:
    process = summarise(_latencies_s(measurement))
    if measurement.stopped_by is not StoppedBy.precision:
        return process
    return replace(process, below=STOPPED_STRETCH * process.below, above=STOPPED_STRETCH * process.above)


def _latencies_s(measurement: Measurement) -> list[float]:
    """Of each sample. Where the text decides how much work it is, of each batch of prompts, the median of its samples.

    Samples of other prompts are other work then, and those of the same prompts tell nothing of others: what varies are
    the prompts. Where all samples are of one batch, the noise between them is all that is known.
    """
    by_prompts: dict[tuple[int, ...], list[float]] = defaultdict(list)
    passes = set()
    for sample in measurement.samples:
        by_prompts[sample.prompts].append(sample.latency_s)
        passes.add(None if sample.forwards is None else len(sample.forwards.computed))
    if len(passes) == 1 or len(by_prompts) < LEAST_SAMPLES:
        return [sample.latency_s for sample in measurement.samples]
    return [median(latencies_s) for latencies_s in by_prompts.values()]


def _welch(above: Latency, below: Latency) -> Ratio:
    """Two means of several processes each; no width where neither spreads.

    Two or three processes may lie close to each other by chance. Welch's degrees of freedom are then those of the other
    side, and the interval too narrow: it holds in 89% with 2 beside 10. So they are at most those of equal spreads.
    """
    sides = (above, below)
    error = math.hypot(above.error, below.error)
    as_seen = _degrees([each.error**2 for each in sides], sides)
    degrees = min(as_seen, _degrees([1.0 / (each.degrees + 1.0) for each in sides], sides))
    half = float(stdtrit(degrees, TWO_SIDED)) * error
    return Ratio(log_ratio=above.log_median - below.log_median, below=half, above=half, degrees=degrees)


def _degrees(variances: Sequence[float], sides: Sequence[Latency]) -> float:
    """Satterthwaite's degrees of freedom of a sum of two variances; of none, all that there are."""
    spent = sum(variance**2 / each.degrees for variance, each in zip(variances, sides, strict=True))
    return sum(variances) ** 2 / spent if spent > 0 else sum(each.degrees for each in sides)


def _mover(above: Latency, below: Latency, least_factor: float) -> tuple[float, float]:
    """How far the interval of a ratio reaches down and up, where at least one arm is a single process."""
    fewest, same = min(above.samples, below.samples), above.samples == below.samples
    single = above.processes == below.processes == 1
    if single and fewest >= (ENOUGH_EQUAL_SAMPLES if same else ENOUGH_SAMPLES) and (above.half or below.half):
        factor = max(least_factor, shortening_of_two((above.samples, below.samples), (above.half, below.half)))
        return factor * math.hypot(above.below, below.above), factor * math.hypot(above.above, below.below)
    (above_down, above_up), (below_down, below_up) = above.reaches, below.reaches
    return math.hypot(above_down, below_up), math.hypot(above_up, below_down)
