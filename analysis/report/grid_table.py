"""The table of all grid points: where each lies, what was measured, or why nothing was."""

from collections.abc import Callable, Sequence

from analysis.report.points import Point
from analysis.report.replicates import PROCESSES
from analysis.report.tables import REMARKS, Raw, Table
from analysis.report.words.numbers import MIB, number
from crossover.records.machine import Verdict

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
SEVERAL: dict[str, tuple[str, Callable[[float], str]]] = {"processes": (PROCESSES, lambda value: f"{value:.0f}")}
"""A column for points that several processes measured."""
TEMPERATURE = "T"
SETTINGS: dict[str, Callable[[Point], str]] = {
    "model": lambda point: point.model,
    "K": lambda point: "" if point.steps is None else str(point.steps),
    "B": lambda point: str(point.batch),
    "N": lambda point: str(point.length),
    TEMPERATURE: lambda point: f"{point.record.run.temperature:g}",
}
"""Headings of settings; the temperature has a column where it differs."""
OVER_PROCESSES = (
    ": latency is the geometric mean of the processes' medians, quartiles are theirs, the rest is of the first process;"
    " grid.csv has a row for each process"
)


def grid_table(points: Sequence[Point]) -> Table:
    """One row a point, in the CSV one a process; a column that no point has is left out."""
    several = any(point.others for point in points)
    columns = (SEVERAL if several else {}) | SHOWN
    shown = {name: column for name, column in columns.items() if any(column[0] in point.values for point in points)}
    temperatures = {point.record.run.temperature for point in points}
    settings = {name: read for name, read in SETTINGS.items() if name != TEMPERATURE or len(temperatures) > 1}
    remarks = [_remark(point) for point in points]
    remarked = any(remarks)
    return Table(
        name="grid",
        title="All grid points" + (OVER_PROCESSES if several else ""),
        headings=(*settings, *shown, "outcome", *([REMARKS] if remarked else [])),
        words=frozenset({"model", "outcome", REMARKS}),
        rows=tuple(
            (*_row(point, settings, shown), *([remark] if remarked else []))
            for point, remark in zip(points, remarks, strict=True)
        ),
        raw=tuple(raw_row(each) for point in points for each in _processes(point)),
    )


def _processes(point: Point) -> Sequence[Point]:
    """Each process as a point of its own; a point of one process is that already, and its metrics are known."""
    return [Point(record) for record in point.replicates] if point.others else [point]


def _row(
    point: Point,
    settings: dict[str, Callable[[Point], str]],
    shown: dict[str, tuple[str, Callable[[float], str]]],
) -> tuple[str, ...]:
    values = (write(point.values[name]) if name in point.values else "" for name, write in shown.values())
    return (*(read(point) for read in settings.values()), *values, _outcome(point))


def _outcome(point: Point) -> str:
    """Measured or not; which processes failed, and whether a machine was not clean."""
    if point.failed:
        return point.failed
    failed = sum(record.failure is not None for record in point.replicates)
    verdicts = {record.verdict for record in point.replicates if record.is_unclean}
    verdict = Verdict.disturbed if Verdict.disturbed in verdicts else next(iter(verdicts), None)
    parts = [str(verdict)] if verdict else []
    parts += [f"{failed} of {len(point.replicates)} processes failed"] if failed else []
    return ", ".join(["measured", *parts])


def _remark(point: Point) -> str:
    """Why another engine ran than was asked for; the first reason of several processes."""
    reasons = (record.measurement.fallback for record in point.replicates if record.measurement is not None)
    reason = next(filter(None, reasons), None)
    return "" if reason is None else f"Another engine ran than asked for: {reason}."


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
        "machine": record.verdict,
        "fallback": None if record.measurement is None else record.measurement.fallback,
        "reason": "" if record.failure is None else record.failure.message,
        **{name: value for name, value in point.values.items() if name != PROCESSES},
    }
