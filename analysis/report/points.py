"""A run as figures and tables see it: its settings, and its metrics or the reason that it has none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.report.replicates import metrics_of
from crossover.records.record import FailureKind, Record
from crossover.records.settings import Family


@dataclass(frozen=True)
class Point:
    """One grid point. `values` holds the metrics of `analysis.statistics.metrics`; a failed point has none.

    Attributes:
        record: that of the first process, measured if any is.
        others: those of the other processes that ran it.
    """

    record: Record
    others: tuple[Record, ...] = ()

    @property
    def replicates(self) -> tuple[Record, ...]:
        """Every process's record, the first of them first."""
        return (self.record, *self.others)

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

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """Settings besides steps, batch and length that are not at their usual values, a few words each."""
        return tuple(self.record.run.unusual())

    @property
    def failed(self) -> str | None:
        """The kind of failure in words; None for a measured point."""
        return None if self.record.failure is None else self.record.failure.kind.words

    @property
    def ran_out_of_memory(self) -> bool:
        """Whether the point needs more memory than there was."""
        return self.record.failure is not None and self.record.failure.kind is FailureKind.out_of_memory

    @cached_property
    def values(self) -> Mapping[str, float]:
        """Metrics by name; latency and throughput by the medians of all processes, the others of the first."""
        return metrics_of(self.replicates)

    @property
    def is_unclean(self) -> bool:
        """Whether a process measured it on a machine that was disturbed, or that nobody could watch."""
        return any(record.is_unclean for record in self.replicates)


def about_machines(points: Iterable[Point]) -> str:
    """A sentence of the caption where a figure shows runs that were not measured on a clean machine."""
    every = list(points)
    unclean = sum(point.is_unclean for point in every)
    return f" Not measured on a clean machine: {unclean} of these {len(every)} runs." if unclean else ""


def points(records: Iterable[Record]) -> list[Point]:
    """A point for each record, as of runs that one process measured."""
    return points_of([record] for record in records)


def points_of(runs: Iterable[Sequence[Record]]) -> list[Point]:
    """A point for each run, from the records of its processes; ordered by length, batch, family and steps."""
    made = [Point(replicates[0], tuple(replicates[1:])) for replicates in runs]
    return sorted(made, key=lambda each: (each.length, each.batch, each.diffuses, each.model, each.steps or 0))


def spread_out(values: Iterable[int], most: int) -> list[int]:
    """At most `most` of the distinct values: the smallest, the largest, and even steps between."""
    known = sorted(set(values))
    if len(known) <= most:
        return known
    last = len(known) - 1
    return [known[round(index * last / (most - 1))] for index in range(most)]
