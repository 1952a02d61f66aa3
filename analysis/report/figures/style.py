"""One style for all figures: thin axes, Okabe and Ito's colours, and a marker or dash for readers in grey."""

import io
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
INK, GREY = "#222222", "#6b6b6b"
DIFFUSION, BASELINE, MARK = BLUE, VERMILLION, GREEN
SHADES = ("#9ecae1", "#5ba3d0", "#2d7fb8", "#0a5a94", "#05365c")
"""Blues from few steps to many; light to dark, so their order shows in grey too."""
MARKERS = "o^DvPX<>"
ABREAST = 3
RASTER_DPI = 160

HUMAN = "true continuations"
"""The human line's name in a legend."""
UNCLEAN = "machine not clean"
"""The name of the rings in a legend."""
NARROW, DECADE, WIDE = 4, 10, 300
"""Ratios of a log axis's ends: within the first, every digit has a tick; within the second, most; beyond the third,
powers of ten alone."""
TICKS = {NARROW: tuple(range(1, 10)), DECADE: (1, 1.5, 2, 3, 4, 5, 7), WIDE: (1, 2, 5)}
"""Ticks of each power of ten, by the ratio that the axis spans at most."""
LONG_LABEL, LETTER_IN = 22, 0.072
"""A label of more letters takes more than a column of a legend usually has; the width of a letter in it, in inches."""
LARGE = 10_000
"""From here on a tick counts thousands."""

LOOK: dict[Any, Any] = {
    "font.size": 8.5,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9a9a9a",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e9e9e9",
    "grid.linewidth": 0.7,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "crossover",
    "text.parse_math": False,
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing as SVG, with its words and its width in inches."""

    name: str
    title: str
    caption: str
    alt: str
    width_in: float
    svg: str

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files."""
        return f"{self.name}.svg", f"{self.name}.png"

    @property
    def address(self) -> str:
        """The SVG as a data address: unlike inline SVG, its ids cannot meet another picture's."""
        return "data:image/svg+xml;base64," + b64encode(self.svg.encode()).decode()


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure with its words. `alt` says what it shows to a reader who cannot see it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        image = io.BytesIO()
        with look():
            self.figure.savefig(image, format="png", dpi=RASTER_DPI)
        return image.getvalue()

    def save(self, folder: str | Path) -> Picture:
        """Write `name`.svg, the same for the same data, and `name`.png to a folder; make it where it is not there."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        with look():
            self.figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None, "Title": self.title})
            self.figure.set_layout_engine(None)  # it is laid out; with "none" it would be drawn once more to no purpose
            self.figure.savefig(folder / f"{self.name}.png", dpi=RASTER_DPI, metadata={"Software": None})
        (folder / f"{self.name}.svg").write_text(text.getvalue(), encoding="utf-8")
        return Picture(
            name=self.name,
            title=self.title,
            caption=self.caption,
            alt=self.alt,
            width_in=float(self.figure.get_figwidth()),
            svg=text.getvalue(),
        )


@contextmanager
def look() -> Iterator[None]:
    """Figures that are drawn inside have this style."""
    with mpl.rc_context(LOOK):
        yield


def panels(number: int, columns: int, *, size: tuple[float, float] = (3.3, 2.6)) -> tuple[Figure, list[Axes]]:
    """A figure of `number` panels, `columns` abreast."""
    figure, cells = grid(number, columns, size=size)
    return figure, [figure.add_subplot(cell) for cell in cells]


def grid(number: int, columns: int, *, size: tuple[float, float]) -> tuple[Figure, list[Any]]:
    """A figure with the cells of `number` panels, to be filled or divided further."""
    columns = max(1, min(columns, number))
    rows = ceil(number / columns)
    least_width = 4.6  # for the legend above a single panel
    layout = ConstrainedLayoutEngine(h_pad=0.03, w_pad=0.05, hspace=0.02)
    figure = Figure(figsize=(max(size[0] * columns, least_width), size[1] * rows + 0.45), layout=layout)
    FigureCanvasAgg(figure)
    spec = figure.add_gridspec(rows, columns)
    return figure, list(islice((spec[row, column] for row in range(rows) for column in range(columns)), number))


def columns_for(number: int) -> int:
    """Panels abreast: a few in one row, more in a block a page wide."""
    return 2 if number == 2 * 2 else min(number, ABREAST)


def whole_numbers(axes: Axes, values: Sequence[int], name: str, *, most: int = 8) -> None:
    """A log2 x axis with ticks at the values that were measured."""
    known = sorted(set(values))
    step = ceil(len(known) / most)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(known[::step]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(known[0] / 2**0.5, known[-1] * 2**0.5)
    axes.set_xlabel(name)


def logarithmic(axes: Axes, values: Sequence[float]) -> None:
    """A log y axis when the values span more than a factor of four."""
    if values and min(values) > 0 and max(values) > NARROW * min(values):
        plain_log(axes, "y", max(values) / min(values))


def plain_log(axes: Axes, which: str, ratio: float) -> None:
    """A log axis with plain numbers at its ticks: the more of them, the smaller the ratio that it spans."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(subs=next((ticks for most, ticks in TICKS.items() if ratio < most), (1,))))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if value < LARGE else f"{value / 1000:g}k"))


def legend(figure: Figure, axes: Sequence[Axes], *, columns: int = 4) -> None:
    """One legend above all panels, each label once."""
    handles: dict[str, Any] = {}
    for each in axes:
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    each_in = max([1.5, *(0.55 + LETTER_IN * len(label) for label in handles if len(label) > LONG_LABEL)])
    width = max(1, min(columns, int(figure.get_figwidth() / each_in), len(handles)))
    figure.legend([*handles.values()], [*handles], loc="outside upper left", ncols=width, handlelength=2.6)


def error_bars(values: Sequence[tuple[float, float, float]]) -> list[list[float]]:
    """Matplotlib's lengths below and above from (estimate, low, high)."""
    return [[max(0.0, mid - low) for mid, low, _ in values], [max(0.0, high - mid) for mid, _, high in values]]


def draw_human(axes: Axes, height: float | None, label: str | None = HUMAN) -> None:
    """The human line; none where no judge read the true continuations."""
    if height is not None and isfinite(height):
        axes.axhline(height, color=INK, ls=":", lw=1.2, label=label)


def ring(axes: Axes, positions: Sequence[tuple[float, float]]) -> None:
    """Ring the latencies that were not timed on a clean machine."""
    if positions:
        across, up = zip(*positions, strict=True)
        axes.plot(across, up, "o", ms=10, mfc="none", mec=GREY, mew=1.0, ls="none", label=UNCLEAN, zorder=4)


def with_human(ends: list[float], height: float | None) -> list[float]:
    """The ends of what is drawn, and the human line where there is one."""
    return ends if height is None or not isfinite(height) or not ends else [*ends, height]


def shown_of(shown: int, total: int) -> str:
    """The sentence for a figure that leaves panels out."""
    return "" if shown == total else f" Shown: {shown} of {total} panels; the tables hold all."
