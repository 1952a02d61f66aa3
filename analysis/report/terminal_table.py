"""Tables for a terminal."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence

from rich import box
from rich.table import Table

from analysis.parity.identity import told_apart
from analysis.report.line_table import LineTable, as_cell
from analysis.report.replicates import PROCESSES, by_point, metrics_of
from analysis.report.tables import Table as Rows
from analysis.report.words.numbers import MIB, number, perplexity
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import LABEL_DIGITS, Diffusion
from crossover.terminal import PLAIN_WIDTH

UNCLEAN = "*"
"""Beside a latency that was not timed on a clean machine."""
BERTSCORE = "quality/bertscore_f1"
BITS = "quality/bits_per_byte"
PERPLEXITY = "quality/perplexity"
OWN = "likelihood/bits_per_byte"
"""How well the model itself predicts the true continuations."""
SAMPLERS = "likelihood/sampler_bits_per_byte"
ENERGY = "energy/joules_per_token"
ACCURACY = "quality/accuracy"
OPTIONAL = {
    "accuracy": ACCURACY,
    "BERTScore": BERTSCORE,
    "bits/byte": BITS,
    "perplexity": PERPLEXITY,
    "own bits/byte": OWN,
    "sampler's": SAMPLERS,
    "J/token": ENERGY,
}
"""Columns that a table has only where a point has the metric."""


def table(records: Sequence[Record], *, width: int = PLAIN_WIDTH) -> LineTable:
    """One row a point: latency with its spread, throughput, memory, quality; or the reason that there is none.

    A point that several processes measured has the geometric mean of their medians, and memory and quality of the
    first.
    Settings other than steps, batch and length have a column when they differ, BERTScore and processes when there is
    any, or more than one; spread and samples when `width` has room for them.
    """
    records = told_apart(records)
    points = by_point(records)
    figures = [metrics_of(replicates) for replicates in points]
    settings = SHAPE | {
        name: read for name, read in OTHERS.items() if _differ(records, read) or _must_be_told(name, records)
    }
    told = {name: [read(replicates[0].run) for replicates in points] for name, read in settings.items()}
    measured = _measured(points, figures)
    shown = LineTable(told | measured, left={"model"}, padding=1)
    for without, padding in (({"samples"}, 1), (ROOMY, 1), (ROOMY, 0), (ROOMY | SPARE, 0)):
        if shown.full_width > width:
            kept = {name: cells for name, cells in measured.items() if name not in without}
            shown = LineTable(told | kept, left={"model"}, padding=padding)
    return shown


def _measured(points: Sequence[Sequence[Record]], figures: Sequence[dict[str, float]]) -> dict[str, list[str]]:
    """The columns of what was measured: those of which any point has a figure."""
    absent = {name for name, metric in OPTIONAL.items() if not any(metric in each for each in figures)}
    if not any(each.get(PROCESSES, 1) > 1 for each in figures):
        absent.add(PROCESSES)
    values = {name: write for name, write in VALUES.items() if name not in absent}
    rows = [_values(*point, values) for point in zip(points, figures, strict=True)]
    return {name: [row[index] for row in rows] for index, name in enumerate(values)}


def _must_be_told(name: str, records: Sequence[Record]) -> bool:
    """Whether a setting is shown although it is the same everywhere.

    A lossy cache, a policy that has no steps, a latency that is composed.
    """
    if name == "timing":
        return any(record.run.timed_share is not None for record in records)
    if name not in {"cache", "policy"}:
        return False
    settings = [record.run.diffusion for record in records if record.run.diffusion is not None]
    if name == "cache":
        return any(each.cache is not None and each.cache.is_lossy for each in settings)
    return any(each.policy.is_self_paced for each in settings)


def _differ(records: Sequence[Record], read: Callable[[Run], str]) -> bool:
    return len({read(record.run) for record in records} - {""}) > 1


def show(rows: Rows, without: Collection[str] = ()) -> Table:
    """Any of the report's tables for a terminal; the columns named in `without` are left out."""
    kept = [index for index, heading in enumerate(rows.headings) if heading not in without]
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index in kept:
        shown.add_column(
            as_cell(rows.headings[index]), justify="left" if rows.left[index] else "right", overflow="fold"
        )
    for row in rows.rows:
        shown.add_row(*(as_cell(row[index]) for index in kept))
    return shown


def _values(
    replicates: Sequence[Record],
    figures: dict[str, float],
    values: Mapping[str, Callable[[dict[str, float]], str]],
) -> tuple[str, ...]:
    if replicates[0].failure is not None:
        return (replicates[0].failure.kind.words, *[""] * (len(values) - 1))
    first, *rest = (write(figures) for write in values.values())
    return (f"{first}{UNCLEAN if any(record.is_unclean for record in replicates) else ''}", *rest)


def _known(figures: dict[str, float], name: str, write: Callable[[float], str]) -> str:
    """A figure as it is written; nothing where it is unknown."""
    return write(figures[name]) if name in figures else ""


def _spread(figures: dict[str, float]) -> str:
    if "latency/e2e_p25_s" not in figures:
        return ""
    return f"[{number(figures['latency/e2e_p25_s'])}, {number(figures['latency/e2e_p75_s'])}]"


def _file(name: str, content: str | None) -> str:
    """The last part of a folder, a hub id or a package's name, and what was read there."""
    tail = re.split(r"[/:]", name.rstrip("/"))[-1]
    return tail if content is None else f"{tail} {content[:LABEL_DIGITS]}"


def _of_diffusion(read: Callable[[Diffusion], object]) -> Callable[[Run], str]:
    return lambda run: "" if run.diffusion is None else str(read(run.diffusion))


SHAPE: dict[str, Callable[[Run], str]] = {
    "model": lambda run: run.model.label,
    "steps": _of_diffusion(lambda diffusion: diffusion.steps if diffusion.policy.has_steps else ""),
    "batch": lambda run: str(run.batch),
    "length": lambda run: str(run.length),
}
OTHERS: dict[str, Callable[[Run], str]] = {
    "T": lambda run: f"{run.temperature:g}",
    "seed": lambda run: str(run.seed) if run.is_random else "",
    "prompt": lambda run: f"{run.prompt_fraction:g}",
    "block": _of_diffusion(lambda diffusion: diffusion.block_length),
    "remasking": _of_diffusion(lambda diffusion: diffusion.remasking),
    "guidance": _of_diffusion(lambda diffusion: f"{diffusion.guidance_scale:g}"),
    "policy": _of_diffusion(lambda diffusion: diffusion.policy.label),
    "cache": _of_diffusion(lambda diffusion: "none" if diffusion.cache is None else diffusion.cache.label),
    "rows": _of_diffusion(lambda diffusion: diffusion.rows),
    "precision": lambda run: run.precision,
    "device": lambda run: run.device,
    "engine": lambda run: run.engine,
    "attention": lambda run: run.attention,
    "weights": lambda run: run.weights,
    "timing": lambda run: "whole" if run.timed_share is None else f"composed ({run.timed_share:g} timed)",
    "prompts": lambda run: _file(run.prompts.source, run.prompts.content),
    "chat": lambda run: str(run.prompts.chat).lower(),
    "shots": lambda run: "" if run.prompts.shots is None else _file(run.prompts.shots, None),
    "judge": lambda run: "" if run.judge is None else _file(run.judge.checkpoint, run.judge.content),
    "encoder": lambda run: (
        "" if run.encoder is None else f"{_file(run.encoder.checkpoint, run.encoder.content)} {run.encoder.layer}"
    ),
}
"""Settings that tell grid points apart only where a sweep varies them."""

VALUES: dict[str, Callable[[dict[str, float]], str]] = {
    "latency s": lambda figures: _known(figures, "latency/e2e_s", number),
    "[p25, p75]": _spread,
    PROCESSES: lambda figures: f"{figures[PROCESSES]:.0f}",
    "samples": lambda figures: f"{figures['work/samples']:.0f}",
    "tok/s": lambda figures: _known(figures, "throughput/tok_per_s", lambda value: f"{value:,.0f}"),
    "MiB": lambda figures: _known(figures, "max_memory_reserved", lambda value: f"{value / MIB:,.0f}"),
    "accuracy": lambda figures: _known(figures, ACCURACY, lambda value: f"{value:.3f}"),
    "bits/byte": lambda figures: _known(figures, BITS, lambda value: f"{value:.2f}"),
    "perplexity": lambda figures: _known(figures, PERPLEXITY, perplexity),
    "entropy": lambda figures: f"{figures['quality/entropy_nats']:.2f}" if "quality/entropy_nats" in figures else "",
    "BERTScore": lambda figures: f"{figures[BERTSCORE]:.3f}" if BERTSCORE in figures else "",
    "own bits/byte": lambda figures: _known(figures, OWN, lambda value: f"{value:.2f}"),
    "sampler's": lambda figures: _known(figures, SAMPLERS, lambda value: f"{value:.2f}"),
    "J/token": lambda figures: _known(figures, ENERGY, number),
}
ROOMY = frozenset({"[p25, p75]", "samples"})
"""Columns that are left out on a narrow terminal."""
SPARE = frozenset({"entropy", "own bits/byte"})
"""Columns that are left out where even without those it is too narrow; `--format csv` has them."""
