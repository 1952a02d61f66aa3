"""Records, tables, answers and figures from Python: `crossover.load`, `frame`, `answers`, `figure`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from analysis.parity.quality import METRICS
from analysis.report.figures.style import Drawing
from analysis.report.grid_table import raw_row
from analysis.report.points import Point
from analysis.report.study import Study, study
from analysis.report.words.parity import answer
from analysis.report.write import FIGURES, drawings
from crossover.errors import UserError
from crossover.records.load import find, latest
from crossover.records.load import load as read
from crossover.records.record import Record


def load(*sources: str | Path) -> list[Record]:
    """The newest record of each run in output folders, folders of records, or record files; `outputs` without any.

    Raises:
        UserError: when a source holds none.
    """
    files = [file for source in sources or ("outputs",) for file in find(Path(source))]
    return latest(read(files).records)


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """A row for each record: its settings, and its metrics under their names in docs/metrics.md, in SI units."""
    return pd.DataFrame([raw_row(Point(record)) for record in records])


def answers(
    records: Sequence[Record], *, metric: str | None = None, margin: float = 0.0, allow: Iterable[str] = ()
) -> list[str]:
    """A sentence for each batch, length and metric: steps to parity and the speed-up there, with intervals.

    Args:
        records: of both models.
        metric: bits_per_byte, perplexity, sampler_bits_per_byte, bertscore_f1 or accuracy; without it, all that were
            scored.
        margin: by how much diffusion may fall short, in the metric's unit.
        allow: controls that may differ between the runs.

    Raises:
        UserError: when there is no such metric.
    """
    analysed = _study(records, metric, margin, allow)
    return [answer(panel.parity) for panel in analysed.every_panel]


def figure(
    name: str,
    records: Sequence[Record],
    *,
    metric: str | None = None,
    margin: float = 0.0,
    allow: Iterable[str] = (),
) -> Drawing:
    """A figure of the report, which a notebook shows; `.figure` is matplotlib's, `.save(folder)` writes SVG and PNG.

    Args:
        name: as for `python -m analysis plot`, such as quality, pareto, map or memory.
        records: what it is of.
        metric: the metric of quality that the figure shows; the first that was scored without it.
        margin: as for `answers`.
        allow: as for `answers`.

    Raises:
        UserError: when there is no such figure, or the records have nothing that it shows.
    """
    if name not in FIGURES:
        raise UserError(f"there is no figure {name!r}: give one of {', '.join(FIGURES)}")
    return next(drawings(_study(records, metric, margin, allow), name))


def _study(records: Sequence[Record], metric: str | None, margin: float, allow: Iterable[str]) -> Study:
    if metric is not None and metric not in METRICS:
        raise UserError(f"metric {metric!r} is unknown: give one of {', '.join(METRICS)}")
    chosen = [METRICS[metric]] if metric else list(METRICS.values())
    return study(records, metrics=chosen, margin=margin, allow=frozenset(allow))
