"""One cell of the map of break-even: its number, and its shade with an ink that stands out on it."""

import math

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from analysis.report.figures.style import GREY
from analysis.report.words.numbers import UNBOUNDED
from analysis.statistics.intervals import Interval

TOKENS = LogNorm(1, 512)
"""Shades of tokens per forward."""
DARK = 0.179
"""Under this luminance a shade's numbers are white, else black: either then stands out by 4.5 to 1 or more."""
GAMMA = 2.2
TEN, TENTH = 10, 0.1
LIFT = 0.13
"""How far a number stands above the middle of its cell, as a share of the cell, where letters stand below it."""


def text_of(value: float, block: float, before: str = "") -> str:
    """The number in two digits, whole from 10 on; in brackets where a block holds fewer."""
    digits = 0 if value >= TEN else 1
    text = f"{before}{value:.{digits}f}" if math.isfinite(value) else f"{before}{UNBOUNDED}"
    return f"({text})" if value > block else text


def shade_of(value: float, norm: Normalize = TOKENS) -> float:
    """The shade of a value, such as so many tokens per forward: 0 light to 1 dark."""
    return float(norm(value, clip=True))


def reach_of(interval: Interval) -> str:
    """How far an interval of a ratio reaches from its middle, on the logarithmic scale, e.g. ±0.4%."""
    percent = 100 * (math.sqrt(interval.high / interval.low) - 1)
    digits = 0 if percent >= TEN else 1 if percent >= TENTH else 2
    return f"±{percent:.{digits}f}%"


def write_cell(axes: Axes, at: tuple[int, int], text: str, shade: float | None, below: str = "") -> None:
    """A number in the cell at a column and a row, with small letters below it; on white without a shade."""
    column, row = at
    if shade is None:
        axes.text(column, row, text, ha="center", va="center", color=GREY, fontsize=8, style="italic")
        return
    color = colormaps["Blues"](shade)
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=color, edgecolor="white"))
    ink = "white" if _luminance(color) < DARK else "black"
    axes.text(column, row + (LIFT if below else 0), text, ha="center", va="center", color=ink, fontsize=8)
    if below:
        axes.text(column, row - 2 * LIFT, below, ha="center", va="center", color=ink, fontsize=5.5)


def _luminance(color: tuple[float, ...]) -> float:
    """0 black to 1 white; by a power in the place of sRGB's two pieces."""
    red, green, blue, *_ = color
    return float(0.2126 * red**GAMMA + 0.7152 * green**GAMMA + 0.0722 * blue**GAMMA)
