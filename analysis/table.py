"""Tables that a person reads in a terminal."""

from collections.abc import Collection, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.metrics import metrics
from analysis.tables import Table as Rows
from benchmark.record import Failure, Record

MIB = 1024 * 1024
PLAIN_WIDTH = 120
"""Columns of lines that go to a file or a pipe, where there is no terminal to fit."""


def make_console(*, stderr: bool = False, record: bool = False) -> Console:
    """The terminal; or plain, wide lines where the output is none. `record` keeps what is printed, to draw it."""
    console = Console(stderr=stderr, record=record)
    return console if console.is_terminal else Console(stderr=stderr, record=record, width=PLAIN_WIDTH)


def table(records: Sequence[Record]) -> Table:
    """One row a record: latency with its spread, throughput, memory, quality; or why there is none."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "steps", "batch", "length"):
        shown.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    for heading in ("latency s", r"\[p25, p75]", "tok/s", "peak MiB", "perplexity", "entropy nats"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        shown.add_row(*_point(record), *_values(record))
    return shown


def show(rows: Rows, without: Collection[str] = ()) -> Table:
    """Any of the report's tables, on a terminal; `without` some of its headings."""
    kept = [index for index, heading in enumerate(rows.headings) if heading not in without]
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index in kept:
        shown.add_column(escape(rows.headings[index]), justify="left" if rows.left[index] else "right")
    for row in rows.rows:
        shown.add_row(*(escape(row[index]) for index in kept))
    return shown


def failures(records: Sequence[Record]) -> list[str]:
    """A line for each point that was not measured, with its reason."""
    return [_why(record, record.failure) for record in records if record.failure is not None]


def _point(record: Record) -> tuple[str, ...]:
    run = record.run
    steps = "" if run.diffusion is None else str(run.diffusion.steps)
    return run.model.name, steps, str(run.batch), str(run.length)


def _values(record: Record) -> tuple[str, ...]:
    if record.failure is not None:
        return (record.failure.kind.replace("_", " "),)
    found = metrics(record)
    spread = f"[{_significant(found['latency/e2e_p25_s'])}, {_significant(found['latency/e2e_p75_s'])}]"
    return (
        _significant(found["latency/e2e_s"]),
        spread,
        f"{found['throughput/tok_per_s']:,.0f}",
        f"{found['max_memory_reserved'] / MIB:,.0f}",
        f"{found['quality/perplexity']:.1f}" if "quality/perplexity" in found else "",
        f"{found['quality/entropy_nats']:.2f}",
    )


def _why(record: Record, failure: Failure) -> str:
    return f"{record.name}: {failure.kind.replace('_', ' ')}: {failure.message}"


def _significant(seconds: float) -> str:
    return f"{seconds:#.3g}".rstrip(".")
