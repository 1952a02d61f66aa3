"""Records for tables: the metrics of each in place of what they were computed from, which is most of a record."""

from dataclasses import dataclass, replace

from analysis.statistics.metrics import metrics
from analysis.statistics.remembered import remembered
from crossover.records.record import Record


@dataclass(frozen=True, kw_only=True)
class Summary(Record):
    """A record of whose samples but one is left, and of whose scores none; `figures` are its metrics."""

    figures: dict[str, float]


def summary(record: Record) -> Summary:
    """The summary of a record, which takes a hundredth of its memory."""
    measured = record.measurement and replace(
        record.measurement, samples=record.measurement.samples[:1], generated=(), scores=(), likelihood=(), human=()
    )
    return Summary(**(vars(record) | {"measurement": measured, "figures": metrics(record)}))


def figures_of(record: Record) -> dict[str, float]:
    """The metrics of a record, computed once, or of the one that a summary was made of."""
    return record.figures if isinstance(record, Summary) else _metrics(record)


_metrics = remembered(metrics)
