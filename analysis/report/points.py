"""A record as figures and tables see it: its settings, and its metrics or the reason that it has none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from analysis.statistics.metrics import metrics
from crossover.records.record import FailureKind, Record
from crossover.records.settings import Family


@dataclass(frozen=True)
class Point:
    """One grid point. `values` holds the metrics of `analysis.statistics.metrics`; a failed point has none."""

    record: Record

    @property
    def model(self) -> str:
        """The model's short name."""
        return self.record.run.model.label

    @property
    def diffuses(self) -> bool:
        """Whether it is a diffusion run, and so has steps."""
        return self.record.run.model.family is Family.diffusion

    @property
    def steps(self) -> int | None:
        """K; None for an autoregressive run."""
        return None if self.record.run.diffusion is None else self.record.run.diffusion.steps

    @property
    def batch(self) -> int:
        """B."""
        return self.record.run.batch

    @property
    def length(self) -> int:
        """N."""
        return self.record.run.length

    @property
    def failed(self) -> str | None:
        """The kind of failure in words; None for a measured point."""
        return None if self.record.failure is None else self.record.failure.kind.replace("_", " ")

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the point needs more memory than there was."""
        return self.record.failure is not None and self.record.failure.kind is FailureKind.out_of_memory

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Metrics by name."""
        return metrics(self.record)


def points(records: Iterable[Record]) -> list[Point]:
    """A point for each record, ordered by length, batch, family and steps."""
    made = [Point(record) for record in records]
    return sorted(made, key=lambda each: (each.length, each.batch, each.diffuses, each.model, each.steps or 0))


def spread_out(values: Iterable[int], most: int) -> list[int]:
    """At most `most` of the distinct values: the smallest, the largest, and even steps between."""
    known = sorted(set(values))
    if len(known) <= most:
        return known
    last = len(known) - 1
    return [known[round(index * last / (most - 1))] for index in range(most)]
