"""The table of all grid points: where each lies, what was measured, or why nothing was."""

from collections.abc import Callable, Sequence

from analysis.report.points import Point
from analysis.report.tables import Raw, Table
from analysis.report.words import number
from crossover.records.machine import Verdict

MIB = 2**20
SHOWN: dict[str, tuple[str, Callable[[float], str]]] = {
    "latency s": ("latency/e2e_s", number),
    "p25": ("latency/e2e_p25_s", number),
    "p75": ("latency/e2e_p75_s", number),
    "tokens/s": ("throughput/tok_per_s", number),
    "peak MiB": ("max_memory_reserved", lambda value: f"{value / MIB:,.0f}"),
    "accuracy": ("quality/accuracy", lambda value: f"{value:.3f}"),
    "bits per byte": ("quality/bits_per_byte", number),
    "of authors": ("human/bits_per_byte", number),
    "perplexity": ("quality/perplexity", number),
    "BERTScore F1": ("quality/bertscore_f1", lambda value: f"{value:.4f}"),
    "entropy nats": ("quality/entropy_nats", lambda value: f"{value:.2f}"),
    "repetition": ("quality/repetition_4", lambda value: f"{value:.2f}"),
}
"""Headings of measured columns, the metric of each, and how it is written."""


def grid_table(points: Sequence[Point]) -> Table:
    """One row a point; a column that no point has is left out."""
    shown = {name: column for name, column in SHOWN.items() if any(column[0] in point.values for point in points)}
    return Table(
        name="grid",
        title="All grid points",
        headings=("model", "K", "B", "N", *shown, "outcome"),
        words=frozenset({"model", "outcome"}),
        rows=tuple(_row(point, shown) for point in points),
        raw=tuple(raw_row(point) for point in points),
    )


def _row(point: Point, shown: dict[str, tuple[str, Callable[[float], str]]]) -> tuple[str, ...]:
    values = (write(point.values[name]) if name in point.values else "" for name, write in shown.values())
    settings = (point.model, "" if point.steps is None else str(point.steps), str(point.batch), str(point.length))
    return (*settings, *values, point.failed or (f"measured, {_verdict(point)}" if _is_unclean(point) else "measured"))


def _verdict(point: Point) -> str | None:
    """What was said of the machine meanwhile; None where nobody watched it in those days."""
    measured = point.record.measurement
    return None if measured is None or measured.watched is None else measured.watched.verdict


def _is_unclean(point: Point) -> bool:
    return _verdict(point) not in {None, Verdict.clean}


def raw_row(point: Point) -> Raw:
    """A point for machines: settings and metrics, with units in the names."""
    record, run = point.record, point.record.run
    environment = record.environment
    return {
        "key": record.key,
        "sweep": record.sweep,
        "started_at": record.started_at,
        "model": point.model,
        "checkpoint": run.model.checkpoint,
        "steps": point.steps,
        "batch": point.batch,
        "length": point.length,
        "output_tokens": run.output_tokens,
        "temperature": run.temperature,
        "seed": run.seed,
        "precision": run.precision.value,
        "device": run.device.value if environment is None else environment.gpu or environment.cpu,
        "outcome": point.failed or "measured",
        "replicate": record.replicate,
        "machine": _verdict(point),
        "reason": "" if record.failure is None else record.failure.message,
        **point.values,
    }
