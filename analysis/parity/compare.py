"""Two sweeps beside each other: is the second faster or slower, larger or smaller, better or worse, or can nobody tell?

Each run of one sweep meets the run of the other that measures the same thing under the same controls. Intervals are
those of each figure by itself. Verdicts are of the whole table: where nothing changed, at most 5% of the tables hold
any (Holm's procedure over all figures of all points). Where a run was measured in several processes on both sides, a
verdict needs no margin; with one process on either side it is given beyond a margin alone, since another process of
the same point takes another time. A single process on a disturbed machine gives no verdict on time at all.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scipy.special import stdtr

from analysis.parity.comparability import measured_alike, newest
from analysis.parity.controls import Controls, check_allowed, controls_of, difference
from analysis.parity.evidence import UnscoredError, weigh
from analysis.parity.flags import Disturbance, disturbances
from analysis.parity.identity import told_apart
from analysis.parity.quality import METRICS, Metric
from analysis.parity.steps_to_parity import RESAMPLES, VERDICT_MARGIN
from analysis.statistics.intervals import Interval
from analysis.statistics.multiple import holm, widened
from analysis.statistics.timing import Latency, Ratio, latency, median_interval, over_processes, ratio_of, summarise
from crossover.confidence import LEVEL
from crossover.records.machine import Verdict
from crossover.records.record import Measurement, Record
from crossover.records.settings import Diffusion


class ChangeVerdict(StrEnum):
    """How a figure of the second sweep compares with the first's."""

    faster = "faster"
    slower = "slower"
    smaller = "smaller"
    larger = "larger"
    better = "better"
    worse = "worse"
    ambiguous = "ambiguous"


SIDES = {
    "latency": (ChangeVerdict.faster, ChangeVerdict.slower),
    "memory": (ChangeVerdict.smaller, ChangeVerdict.larger),
    "quality": (ChangeVerdict.worse, ChangeVerdict.better),
}
"""The verdicts on a figure of b that is below a's, and on one above it."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of a point in both sweeps.

    Attributes:
        kind: latency, memory or quality; `what`: the metric's label, for quality.
        interval: b over a for latency and memory; how much better b is, in `unit`, for quality. It is the
            interval of this figure alone.
        p_value: of no change beyond the margin.
        verdict: of the whole table.
    """

    kind: str
    what: str
    unit: str
    interval: Interval
    p_value: float
    verdict: ChangeVerdict = ChangeVerdict.ambiguous


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One grid point in two sweeps, a and b.

    Attributes:
        a_latency_s, b_latency_s: None where a clock did not run forward.
        changes: what is known on both sides; no latency where either was timed once only.
        processes: that measured it in a and in b.
        disturbed: the sides, A or B, whose machine was disturbed or could not be watched.
    """

    name: str
    a: Record
    b: Record
    a_latency_s: Interval | None
    b_latency_s: Interval | None
    changes: tuple[Change, ...]
    processes: tuple[int, int]
    disturbed: tuple[Disturbance, ...]

    @property
    def verdicts(self) -> tuple[ChangeVerdict, ...]:
        """Of each change, without those that are not decided."""
        return tuple(each.verdict for each in self.changes if each.verdict is not ChangeVerdict.ambiguous)

    def change(self, kind: str) -> Change | None:
        """The first change of a kind."""
        return next((each for each in self.changes if each.kind == kind), None)


@dataclass(frozen=True, kw_only=True)
class ComparedSweeps:
    """The points that both sweeps measured, and the margin of verdicts where a side has one process."""

    points: tuple[Comparison, ...]
    margins: tuple[float, ...]


Point = tuple[str, str | None, Diffusion | None, int, int]
Runs = Mapping[tuple[Point, Controls], tuple[Record, ...]]
"""The replicates of each measured run."""


def compare(
    records_a: Iterable[Record],
    records_b: Iterable[Record],
    *,
    allow: Collection[str] = frozenset(),
    margin: float | None = None,
) -> ComparedSweeps:
    """The points that both sweeps measured under equal controls, in the order of a.

    `margin` is the share by which one process may differ from another, such as 0.01; None takes that of the device.

    Raises:
        UserError: when `allow` names what is no control.
    """
    here, there = _by_point(records_a, allow), _by_point(records_b, allow)
    shared = [(replicates, there[point]) for point, replicates in here.items() if point in there]
    usual = [VERDICT_MARGIN[a[0].run.device] if margin is None else margin for a, _ in shared]
    margins = [widened(each, len(shared)) for each in usual]
    comparisons = [_compare(a, b, each) for (a, b), each in zip(shared, margins, strict=True)]
    single = {each for (a, b), each in zip(shared, margins, strict=True) if min(len(a), len(b)) == 1}
    return ComparedSweeps(points=_judged(_named(comparisons)), margins=tuple(sorted(single)))


def unmatched(
    records_a: Iterable[Record], records_b: Iterable[Record], *, allow: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """A line for each measured point of either sweep that the other does not have, with its reason."""
    here, there = _by_point(records_a, allow), _by_point(records_b, allow)
    return (*_missing("b", here, there, allow), *_missing("a", there, here, allow))


def _by_point(records: Iterable[Record], allow: Collection[str]) -> Runs:
    """The measured replicates of each point; what it measures, and its controls, are the key."""
    check_allowed(allow)
    every = [replicates for replicates in newest(records, allow) if replicates[0].measurement is not None]
    return {(_point(each[0]), controls_of(each[0], allow)): measured_alike(each, allow) for each in every}


def _point(record: Record) -> Point:
    run = record.run
    return run.model.checkpoint, run.model.revision, run.diffusion, run.batch, run.length


def _compare(a: Sequence[Record], b: Sequence[Record], margin: float) -> Comparison:
    measured = [[each.measurement for each in side if each.measurement is not None] for side in (a, b)]
    times = [latency(side) for side in measured]
    disturbed = disturbances({"A": a, "B": b})
    changes = [
        *_changed("latency", times, math.inf if _is_disturbed(disturbed) else margin),
        *_changed("memory", [_peak(side) for side in measured], margin),
        *(change for metric in METRICS.values() for change in _quality(measured[0][0], measured[1][0], metric)),
    ]
    first, second = (None if time is None else median_interval(time) for time in times)
    return Comparison(
        name=a[0].name,
        a=a[0],
        b=b[0],
        a_latency_s=first,
        b_latency_s=second,
        changes=tuple(changes),
        processes=(len(a), len(b)),
        disturbed=disturbed,
    )


def _is_disturbed(disturbed: Sequence[Disturbance]) -> bool:
    """Whether a side was timed on a disturbed machine: no margin is wide enough for one process there."""
    return any(each.verdict is Verdict.disturbed for each in disturbed)


def _named(points: Sequence[Comparison]) -> list[Comparison]:
    """The points, those of one name with the controls in which they differ."""
    records = told_apart([each.a for each in points])
    labelled = [replace(each, name=record.name) for each, record in zip(points, records, strict=True)]
    by_name: dict[str, list[Comparison]] = defaultdict(list)
    for each in labelled:
        by_name[each.name].append(each)
    return [_told_from(each, by_name[each.name]) for each in labelled]


def _told_from(point: Comparison, alike: Sequence[Comparison]) -> Comparison:
    if len(alike) == 1:
        return point
    values = {id(each): dict(controls_of(each.a)) for each in alike}
    own = values[id(point)]
    words = [f"{name}={own[name]}" for name in own if any(other[name] != own[name] for other in values.values())]
    return replace(point, name=" ".join([point.name, *words]))


def _changed(kind: str, sides: Sequence[Latency | None], margin: float) -> list[Change]:
    """Of a positive figure; the margin counts where a side is a single process."""
    a, b = sides
    if a is None or b is None:
        return []
    single = min(a.processes, b.processes) == 1
    ratio = ratio_of(b, a, least_factor=1.0)
    if ratio is None and kind == "memory":  # one peak of one process: as far as it is known it has no noise
        ratio = Ratio(log_ratio=b.log_median - a.log_median, below=0.0, above=0.0, degrees=1.0)
    if ratio is None:
        return []
    p_value = ratio.p_value(margin if single else 0.0)
    return [Change(kind=kind, what="", unit="", interval=ratio.interval, p_value=p_value)]


def _peak(measured: Sequence[Measurement]) -> Latency | None:
    """The peak memory over processes, as a figure with the same statistics as a latency's median."""
    peaks = [each.memory.max_reserved_bytes or each.memory.max_resident_bytes for each in measured]
    known = [summarise([float(peak)]) for peak in peaks if peak is not None and peak > 0]
    return over_processes(known) if known else None


def _quality(a: Measurement, b: Measurement, metric: Metric) -> list[Change]:
    """How much better b's texts are, prompt by prompt; nothing where too few were scored on both sides."""
    try:
        evidence = weigh([a, b], metric, margin=0.0, resamples=RESAMPLES)
    except UnscoredError:
        return []
    (interval,) = evidence.advantage.intervals(LEVEL, float)
    error = float(evidence.advantage.error_K[0])
    if error:
        p_value = 2 * float(stdtr(evidence.clusters - 1, -abs(interval.estimate) / error))
    else:
        p_value = 0.0 if interval.estimate else 1.0
    return [Change(kind="quality", what=metric.label, unit=metric.advantage_unit, interval=interval, p_value=p_value)]


def _judged(points: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The same with the verdicts of the whole table."""
    rejected = iter(holm([change.p_value for point in points for change in point.changes]))
    return tuple(
        replace(point, changes=tuple(_with_verdict(change, rejected=next(rejected)) for change in point.changes))
        for point in points
    )


def _with_verdict(change: Change, *, rejected: bool) -> Change:
    below, above = SIDES[change.kind]
    is_below = change.interval.estimate < (0.0 if change.kind == "quality" else 1.0)
    return replace(change, verdict=(below if is_below else above) if rejected else ChangeVerdict.ambiguous)


def _missing(other: str, records: Runs, others: Runs, allow: Collection[str]) -> list[str]:
    alike: dict[Point, list[Controls]] = {}
    for point, controls in others:
        alike.setdefault(point, []).append(controls)
    compared = {replicates[0].origin for run, replicates in records.items() if run in others}
    return [
        f"{replicates[0].name}: {_reason(replicates[0], alike.get(point, []), other, allow)}"
        for (point, controls), replicates in records.items()
        if (point, controls) not in others and replicates[0].origin not in compared  # by other scorers, it was
    ]


def _reason(record: Record, candidates: list[Controls], other: str, allow: Collection[str]) -> str:
    if not candidates:
        return f"not measured in {other}"
    return f"{difference(record, candidates, allow)} in {other}"
