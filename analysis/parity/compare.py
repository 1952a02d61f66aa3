"""Two sweeps beside each other: was it faster, slower, or can nobody tell?

Each run of one sweep meets the run of the other that measures the same thing under the same controls. The verdict is
read off the interval of the ratio of median latencies (`analysis.statistics.timing`), never shortened: where nothing
changed, at most 5% of the points are called different.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from analysis.parity.comparability import Controls, check_allowed, controls_of, difference, newest
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import latency, median_interval, ratio_interval
from crossover.records.record import Record
from crossover.records.settings import Diffusion


class Verdict(StrEnum):
    """How the second sweep's latency compares with the first's."""

    faster = "faster"
    slower = "slower"
    ambiguous = "ambiguous"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One grid point in two sweeps, a and b.

    Attributes:
        ratio: latency of b over latency of a, below 1 where b is faster; None when either was timed once only.
        verdict: of b; ambiguous when the ratio's interval contains 1, or there is none.
    """

    name: str
    a: Record
    b: Record
    a_latency_s: Interval
    b_latency_s: Interval
    ratio: Interval | None
    verdict: Verdict


Point = tuple[str, str | None, Diffusion | None, int, int]


def compare(
    records_a: Iterable[Record],
    records_b: Iterable[Record],
    *,
    allow: Collection[str] = frozenset(),
) -> tuple[Comparison, ...]:
    """The points that both sweeps measured under equal controls, in the order of a.

    Raises:
        UserError: when `allow` names what is no control.
    """
    there = _by_point(records_b, allow)
    return tuple(
        _compare(record, there[point]) for point, record in _by_point(records_a, allow).items() if point in there
    )


def unmatched(
    records_a: Iterable[Record], records_b: Iterable[Record], *, allow: Collection[str] = frozenset()
) -> tuple[str, ...]:
    """A line for each measured point of either sweep that the other does not have, with its reason."""
    here, there = _by_point(records_a, allow), _by_point(records_b, allow)
    return (*_missing("b", here, there, allow), *_missing("a", there, here, allow))


def _by_point(records: Iterable[Record], allow: Collection[str]) -> dict[tuple[Point, Controls], Record]:
    """The newest measured run of each point; what it measures, and its controls, are the key."""
    check_allowed(allow)
    measured = (record for record in newest(records, allow) if record.measurement is not None)
    return {(_point(record), controls_of(record, allow)): record for record in measured}


def _point(record: Record) -> Point:
    run = record.run
    return run.model.checkpoint, run.model.revision, run.diffusion, run.batch, run.length


def _compare(a: Record, b: Record) -> Comparison:
    assert a.measurement is not None
    assert b.measurement is not None
    a_latency, b_latency = latency(a.measurement), latency(b.measurement)
    ratio = ratio_interval(b_latency, a_latency, least_factor=1.0)
    return Comparison(
        name=a.name,
        a=a,
        b=b,
        a_latency_s=median_interval(a_latency),
        b_latency_s=median_interval(b_latency),
        ratio=ratio,
        verdict=_verdict(ratio),
    )


def _verdict(ratio: Interval | None) -> Verdict:
    if ratio is None or ratio.low <= 1 <= ratio.high:
        return Verdict.ambiguous
    return Verdict.faster if ratio.high < 1 else Verdict.slower


def _missing(
    other: str,
    records: dict[tuple[Point, Controls], Record],
    others: dict[tuple[Point, Controls], Record],
    allow: Collection[str],
) -> list[str]:
    alike: dict[Point, list[Controls]] = {}
    for point, controls in others:
        alike.setdefault(point, []).append(controls)
    return [
        f"{record.name}: {_reason(record, alike.get(point, []), other, allow)}"
        for (point, controls), record in records.items()
        if (point, controls) not in others
    ]


def _reason(record: Record, candidates: list[Controls], other: str, allow: Collection[str]) -> str:
    if not candidates:
        return f"not measured in {other}"
    return f"{difference(record, candidates, allow)} in {other}"
