"""The plan of a sweep: its distinct points, those to run, and the exit code that their outcomes give."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.dispatch.ledger import GridPoint
from crossover.interrupt import INTERRUPTED
from crossover.records.record import FailureKind, Record


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The distinct points of a sweep, one for each of its replicates.

    Attributes:
        total: the number of points before repetitions were dropped, each counted once.
        replicates: processes that measure each point.
    """

    points: tuple[GridPoint, ...]
    total: int
    replicates: int = 1

    @property
    def dispatched(self) -> tuple[GridPoint, ...]:
        """The points to run."""
        return tuple(point for point in self.points if not point.run.infeasible)

    @property
    def repeated(self) -> int:
        """The number of points that are the same as another."""
        return self.total - len({point.key for point in self.points})

    @property
    def infeasible(self) -> tuple[GridPoint, ...]:
        """The points that no machine can run."""
        return tuple(point for point in self.points if point.run.infeasible)


def plan(points: Sequence[GridPoint]) -> Plan:
    """Drop repeated points, and bring those of one model together.

    Points that differ only in what their model ignores have one key, and the first of them stands for all.
    """
    unique = list({point.key: point for point in reversed(points)}.values())[::-1]
    models = list(dict.fromkeys(point.run.model.name for point in unique))
    unique.sort(key=lambda point: models.index(point.run.model.name))
    return Plan(points=tuple(unique), total=len(points))


def exit_code(records: Iterable[Record], *, expected: int) -> int:
    """0 when every point came to its end and something was measured; 130 when interrupted; else 1.

    Running out of memory, being infeasible and being dominated are results.
    """
    records = list(records)
    kinds = {record.failure.kind for record in records if record.failure is not None}
    if FailureKind.interrupted in kinds:
        return INTERRUPTED
    measured = any(record.measurement is not None for record in records)
    return 0 if measured and all(kind.is_result for kind in kinds) and len(records) >= expected else 1
