"""The report: one page, and beside it every figure and table as a file."""

import gc
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

from analysis.report.answers import parity_rows
from analysis.report.figures.bound import draw_bound
from analysis.report.figures.break_even_map import draw_distance, draw_joules, draw_map
from analysis.report.figures.curves import draw_curves
from analysis.report.figures.entropy_front import draw_fronts
from analysis.report.figures.front import draw_front
from analysis.report.figures.memory import draw_memory
from analysis.report.figures.panel import Panel
from analysis.report.figures.parallelism import draw_parallelism
from analysis.report.figures.profile import draw_profile
from analysis.report.figures.scaling import draw_scaling
from analysis.report.figures.staleness import draw_staleness
from analysis.report.figures.style import Drawing, Picture
from analysis.report.figures.timeline import draw_timeline
from analysis.report.front_table import front_table
from analysis.report.grid_table import grid_table
from analysis.report.map.study import PairMap, largest
from analysis.report.map.table import break_even_table
from analysis.report.page import render
from analysis.report.parity_table import parity_table
from analysis.report.points import Point
from analysis.report.study import FrontPanel, Study, Track, untracked
from analysis.report.tables import Table
from crossover.errors import UserError
from crossover.helpers import helpers

PAGE = "report.html"
MANY = 1000
"""From this many records on, other processes draw the figures, while this one makes the tables."""
DRAWERS = 2

Draw = Callable[[], Drawing | None]
"""Draws one figure of a study, here or in another process; None where the study has nothing that it shows."""

OVER_TEMPERATURES: Mapping[str, Callable[[Sequence[FrontPanel]], Drawing | None]] = {"entropy": draw_fronts}
"""Figures by their names: one a metric, of arms that were run at several temperatures."""
BY_METRIC: Mapping[str, Callable[[Sequence[Panel]], Drawing | None]] = {
    "quality": draw_curves,
    "pareto": draw_front,
    "parallelism": draw_parallelism,
}
"""Figures by their names: one a metric."""
BREAK_EVEN: Mapping[str, Callable[[PairMap], Drawing | None]] = {
    "map": draw_map,
    "joules": draw_joules,
    "limit": draw_distance,
}
"""Figures by their names: of one pair of models over batch and length."""
OF_ALL: Mapping[str, Callable[[Sequence[Point]], Drawing | None]] = {
    "bound": draw_bound,
    "scaling": draw_scaling,
    "memory": draw_memory,
    "timeline": draw_timeline,
    "staleness": draw_staleness,
    "profile": draw_profile,
}
"""Figures by their names: one of all points that share their controls."""
FIGURES = (*OVER_TEMPERATURES, *BY_METRIC, *BREAK_EVEN, *OF_ALL)
"""The names of all figures."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files of a report."""

    page: Path
    files: tuple[Path, ...]


@contextmanager
def drawers(records: int) -> Iterator[Executor | None]:
    """Processes that draw the figures of so many records, or None where one process is as fast.

    They import what they need, which takes a second, while this process computes what they are to draw.
    """
    if records < MANY:
        yield None
        return
    with helpers(DRAWERS) as pool:
        for _ in range(DRAWERS):
            pool.submit(_get_ready)
        yield pool


def write_report(
    study: Study, rejected: Sequence[str], folder: Path, *, pool: Executor | None = None, track: Track = untracked
) -> Written:
    """Write the page and its files to `folder`, over the files of an earlier report; `pool` draws the figures.

    Raises:
        OSError: when they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = figures_of(study)
    drawn = map(_saved, figures, repeat(folder)) if pool is None else pool.map(_saved_apart, figures, repeat(folder))
    tables = all_tables(study)
    for table in tables:
        table.save(folder)
    results = iter(drawn)
    pictures = [picture for _ in track(figures, "drawing") if (picture := next(results)) is not None]
    page = folder / PAGE
    page.write_text(render(study, pictures, tables, rejected), encoding="utf-8")
    return Written(page=page, files=tuple(_files(pictures, tables, folder)))


def all_tables(study: Study) -> tuple[Table, ...]:
    """Fronts where there are any, parity by every metric, break-even, and all grid points."""
    fronts = [front_table([(each.fronts, each.setting) for each in study.fronts])] if study.fronts else []
    break_evens = break_even_table([row for each in study.maps for row in each.rows])
    return (*fronts, parity_table(parity_rows(study)), break_evens, grid_table(study.points))


def write_maps(maps: Sequence[PairMap], folder: Path) -> list[Path]:
    """Write the figures and the table of break-even alone to `folder`.

    Raises:
        OSError: when they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [picture for draw in _maps(maps, BREAK_EVEN) if (picture := _saved(draw, folder)) is not None]
    table = break_even_table([row for each in maps for row in each.rows])
    table.save(folder)
    return _files(pictures, [table], folder)


def drawings(study: Study, name: str) -> Iterator[Drawing]:
    """The figure of this name, once a metric where it is of a metric.

    Raises:
        UserError: when the records have nothing that it shows.
    """
    drawn = (drawing for draw in figures_of(study, {name}) if (drawing := draw()) is not None)
    first = next(drawn, None)
    if first is None:
        raise UserError(f"{name}: nothing to draw, since no run here has what it shows")
    yield first
    yield from drawn


def figures_of(study: Study, names: Collection[str] = FIGURES) -> list[Draw]:
    """Each figure of the report, or those of some names: quality first, since it is the answer."""
    fronts: dict[str, list[FrontPanel]] = defaultdict(list)
    for each in study.fronts:
        fronts[each.fronts.metric].append(each)
    return [
        *(partial(draw, of) for name, draw in OVER_TEMPERATURES.items() if name in names for of in fronts.values()),
        *(partial(draw, of) for name, draw in BY_METRIC.items() if name in names for of in study.panels.values()),
        *_maps(study.maps, names),
        *(partial(draw, study.alike) for name, draw in OF_ALL.items() if name in names),
    ]


def _maps(maps: Sequence[PairMap], names: Collection[str]) -> list[Draw]:
    """The figures of the pair that has most cells: one cell is no map."""
    pair = largest(maps)
    return [] if pair is None else [partial(draw, pair) for name, draw in BREAK_EVEN.items() if name in names]


def _get_ready() -> None:
    """A process that is asked for it imports this module, and draws a few figures before it ends.

    To look for garbage among the thousands of objects of each would take a fifth of its time.
    """
    gc.disable()


def _saved_apart(draw: Draw, folder: Path) -> Picture | None:
    """The same as `_saved`, in a process that may not have got ready yet."""
    _get_ready()
    return _saved(draw, folder)


def _files(pictures: Iterable[Picture], tables: Iterable[Table], folder: Path) -> list[Path]:
    names = (*(each.files for each in pictures), *(each.files for each in tables))
    return [folder / name for of_one in names for name in of_one]


def _saved(draw: Draw, folder: Path) -> Picture | None:
    drawing = draw()
    return None if drawing is None else drawing.save(folder)
