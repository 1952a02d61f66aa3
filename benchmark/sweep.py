"""A sweep before and after its jobs: which points are worth running, and what became of all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmark.record import Failure, FailureKind, Record
from benchmark.run import Run

INTERRUPTED = 130
"""The exit code that shells give a program stopped by Ctrl-C."""

RESULTS = {FailureKind.out_of_memory, FailureKind.infeasible}
"""Failures that are answers."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A grid point: its run, and the overrides that describe it on a command line."""

    run: Run
    overrides: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The distinct points of a sweep, each to be run once, and how many it had before repetitions went."""

    points: tuple[Point, ...]
    total: int

    @property
    def dispatched(self) -> tuple[Point, ...]:
        """The points to run."""
        return tuple(point for point in self.points if not point.run.infeasible)

    @property
    def infeasible(self) -> tuple[Point, ...]:
        """The points that no machine can run."""
        return tuple(point for point in self.points if point.run.infeasible)


def plan(points: Sequence[Point]) -> Plan:
    """Drop repeated points, and bring those of one model together.

    Points that differ only in what their model ignores have one key, and the first of them stands for all.
    """
    unique = list({point.run.key: point for point in reversed(points)}.values())[::-1]
    models = list(dict.fromkeys(point.run.model.name for point in unique))
    unique.sort(key=lambda point: models.index(point.run.model.name))
    return Plan(points=tuple(unique), total=len(points))


def undispatched(run: Run, sweep: str) -> Record:
    """The record of an infeasible run, which needs no machine to fail on."""
    assert run.infeasible
    now = datetime.now(UTC).isoformat()
    return Record(
        key=run.key,
        name=run.name,
        sweep=sweep,
        started_at=now,
        finished_at=now,
        run=run,
        environment=None,
        measurement=None,
        failure=Failure(kind=FailureKind.infeasible, message=run.infeasible),
    )


def exit_code(records: Iterable[Record], *, expected: int) -> int:
    """0 when every point came to its end and something was measured; 130 when interrupted; else 1."""
    records = list(records)
    kinds = {record.failure.kind for record in records if record.failure is not None}
    if FailureKind.interrupted in kinds:
        return INTERRUPTED
    measured = any(record.measurement is not None for record in records)
    return 0 if measured and kinds <= RESULTS and len(records) >= expected else 1
