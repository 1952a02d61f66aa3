"""Records beside which their metrics stand, as the process that read them computed them."""

from dataclasses import dataclass, replace

from analysis.statistics.metrics import metrics
from analysis.statistics.remembered import remembered
from crossover.records.record import Record


@dataclass(frozen=True, kw_only=True)
class WithMetrics(Record):
    """A record, and its metrics as `figures`."""

    figures: dict[str, float]


def with_metrics(record: Record) -> WithMetrics:
    """The record with its metrics, whole."""
    return WithMetrics(**vars(record), figures=metrics(record))


def summary(record: Record) -> WithMetrics:
    """The same with one sample left of all, and no score, for tables: it takes a hundredth of the memory."""
    measured = record.measurement and replace(
        record.measurement, samples=record.measurement.samples[:1], generated=(), scores=(), likelihood=(), human=()
    )
    return replace(with_metrics(record), measurement=measured)


def figures_of(record: Record) -> dict[str, float]:
    """The metrics of a record, computed once: here, or where it was read."""
    return record.figures if isinstance(record, WithMetrics) else _metrics(record)


_metrics = remembered(metrics)
