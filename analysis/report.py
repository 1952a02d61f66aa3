"""The report: one page, and beside it every figure and table as a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.figures.bound import draw_bound
from analysis.figures.curves import draw_curves
from analysis.figures.front import draw_front
from analysis.figures.memory import draw_memory
from analysis.figures.scaling import draw_scaling
from analysis.figures.style import Drawing
from analysis.figures.timeline import draw_timeline
from analysis.grid_table import grid_table
from analysis.page import Picture, render
from analysis.parity_table import parity_table
from analysis.study import Study, Track
from analysis.tables import Table

PAGE = "report.html"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a report consists of."""

    page: Path
    files: tuple[Path, ...]


def write_report(
    study: Study, rejected: Sequence[str], folder: Path, *, track: Track = lambda items, _: items
) -> Written:
    """Write the page and its files to `folder`, over what an earlier report left there.

    Raises:
        OSError: when they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for draw in track(_figures(study), "drawing"):
        drawing = draw()
        if drawing is not None:
            svg = drawing.svg()
            drawing.save(folder, svg)
            pictures.append(Picture(drawing=drawing, svg=svg))
    tables = all_tables(study)
    for table in tables:
        table.save(folder)
    page = folder / PAGE
    page.write_text(render(study, pictures, tables, rejected), encoding="utf-8")
    names = [f"{each.drawing.name}.{kind}" for each in pictures for kind in ("svg", "png")]
    names += [f"{table.name}.{kind}" for table in tables for kind in ("csv", "md", "tex")]
    return Written(page=page, files=tuple(folder / name for name in names))


def all_tables(study: Study) -> tuple[Table, Table]:
    """Parity by every metric, and all grid points."""
    every = [(panel.parity, panel.setting) for panels in study.panels.values() for panel in panels]
    return parity_table(every), grid_table(study.points)


def _figures(study: Study) -> list[Callable[[], Drawing | None]]:
    """Each figure of the report, to be drawn: quality first, since it is the answer."""
    by_metric = list(study.panels.values())
    return [
        *((lambda panels=panels: draw_curves(panels)) for panels in by_metric),
        *((lambda panels=panels: draw_front(panels)) for panels in by_metric),
        lambda: draw_bound(study.alike),
        lambda: draw_scaling(study.alike),
        lambda: draw_memory(study.alike),
        lambda: draw_timeline(study.alike),
    ]
