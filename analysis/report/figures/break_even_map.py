"""The map of break-even: a number for each batch and length, one panel a way of computing."""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from analysis.parity.break_even import BLOCK, BreakEven
from analysis.report.figures.map_cell import TOKENS, reach_of, shade_of, text_of, write_cell
from analysis.report.figures.style import GREY, INK, Drawing, look, panels
from analysis.report.map.reached import Reached
from analysis.report.map.study import Grid, PairMap
from analysis.report.words.numbers import number
from analysis.statistics.forward_passes.pace import Way

WAYS = {
    Way.whole: "Whole canvas",
    Way.dual: "Dual cache (lossy)",
    Way.block_causal: "Block-causal",
}
HALO = withStroke(linewidth=2.5, foreground="white")
"""Round a mark, so that it stands out on a dark cell."""
TITLE_LETTERS, KEY_LETTERS = 11, 16
"""Letters of a figure's title and of its key in an inch."""
LINE_IN = 0.17
"""Height of a line of either."""
KEY = (
    "~ composed from the times of single forward passes.  ( ) more tokens than a block holds: never faster.  Grey: not"
    " measured, what both models would need at the limit of the hardware."
)
REACH = "  ± how far the 95% interval reaches."
INTERVALS = " Below a number: how far its 95% interval reaches, where there is one."
REACHED = (
    " A circle: trained models are as good as the baseline at as many tokens per forward pass, compared at this length"
    " and any batch; a cross: they are not shown to be."
)

Value = Callable[[BreakEven], float | None]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One column of panels.

    Attributes:
        value: what it shows of each cell; None where nothing is known.
        is_measured: whether that was timed, not counted.
        is_bounded: whether it is tokens per forward, of which a block holds only so many.
        has_intervals: whether the reach of their intervals stands below them.
        reached: what trained models reach beside it.
    """

    name: str
    value: Value
    is_measured: bool = True
    is_bounded: bool = False
    has_intervals: bool = False
    reached: tuple[Reached, ...] = ()


def draw_map(pair: PairMap) -> Drawing | None:
    """Tokens per forward that diffusion needs to be faster, beside the same at the device's limit."""
    layers = [
        replace(_measured(pair), has_intervals=True),
        Layer(name="at the limit", value=lambda each: each.beside.least_tokens, is_measured=False, is_bounded=True),
    ]
    return _drawing(
        pair,
        layers,
        name="break-even-map",
        title="Tokens per forward that diffusion needs to be faster",
        caption="Below the number the baseline is faster, whatever the quality. In brackets: more than a block"
        " holds, so that no policy reaches it. ~ marks times composed from single passes. On white: not measured; what"
        " both models would need at the limit stands there. Right: the same if both models ran at the limit of the"
        " device by counted work, which no kernel can change."
        + (INTERVALS if any(each.has_interval for each in pair.cells) else "")
        + (REACHED if pair.reached else ""),
    )


def draw_row(pair: PairMap) -> Drawing | None:
    """The first column of the map, its panels side by side: low enough for the top of a page."""
    return _alone(pair, "break-even-row", columns=len(WAYS))


def draw_column(pair: PairMap) -> Drawing | None:
    """The same with intervals, its panels below each other: narrow enough for a telephone."""
    return _alone(pair, "break-even-column", columns=1, has_intervals=True)


def _alone(pair: PairMap, name: str, *, columns: int, has_intervals: bool = False) -> Drawing | None:
    drawing = _drawing(
        pair,
        [replace(_measured(pair), has_intervals=has_intervals)],
        name=name,
        title="Tokens per forward that diffusion needs to be faster",
        caption="As in the map, without the limit of the device.",
        columns=columns,
    )
    if drawing is not None:
        says_reach = has_intervals and any(each.has_interval for each in pair.cells)
        _explain(drawing.figure, pair, KEY + (REACH if says_reach else ""))
    return drawing


def _explain(figure: Figure, pair: PairMap, key: str) -> None:
    """Write above and below the panels what numbers and marks mean, for a page that shows no caption."""
    title = f"Tokens that {pair.diffusion} must write in each forward pass to be faster than {pair.baseline}"
    width_in = figure.get_figwidth()
    above = textwrap.wrap(title, round(width_in * TITLE_LETTERS))
    below = textwrap.wrap(key, round(width_in * KEY_LETTERS))
    with look():
        figure.suptitle("\n".join(above), x=0.0, ha="left", fontsize=10, fontweight="bold")
        figure.supxlabel("\n".join(below), x=0.0, ha="left", fontsize=8, color=GREY)
        figure.set_figheight(figure.get_figheight() + LINE_IN * len(above + below))


def _measured(pair: PairMap) -> Layer:
    return Layer(name="measured", value=lambda each: each.tokens.estimate, is_bounded=True, reached=pair.reached)


def draw_joules(pair: PairMap) -> Drawing | None:
    """The same for equal energy; None where none was measured."""
    return _drawing(
        pair,
        [Layer(name="in joules", value=lambda each: each.beside.joule_tokens)],
        name="break-even-joules",
        title="Tokens per forward that diffusion needs to take less energy",
        caption="Composed: the measured mean power of each model at the nearest batches, times its time.",
    )


def draw_distance(pair: PairMap) -> Drawing | None:
    """How near both models are to the device's limit; None where no record has limits."""
    return _drawing(
        pair,
        [
            Layer(name="baseline", value=lambda each: _percent(each.beside.baseline_share)),
            Layer(name="diffusion", value=lambda each: _percent(each.beside.diffusion_share)),
        ],
        name="limit-map",
        title="Share of the device's limit that each model reaches, in %",
        caption="The least time that the device's measured rates allow for the counted work, over the time taken; of"
        " diffusion for a generation at break-even. 100 is the limit.",
        norm=Normalize(0, 100),
    )


def _drawing(
    pair: PairMap,
    layers: Sequence[Layer],
    *,
    name: str,
    title: str,
    caption: str,
    norm: Normalize = TOKENS,
    columns: int | None = None,
) -> Drawing | None:
    cells = pair.cells
    shown = [layer for layer in layers if any(layer.value(each) is not None for each in cells)]
    if not shown:
        return None
    grid = pair.grid
    known = [each for each in cells if any(layer.value(each) is not None for layer in shown)]
    ways = [way for way in WAYS if any(each.layout.way is way for each in known)]
    with look():
        figure, axes = panels(len(ways) * len(shown), columns or len(shown), size=(3.4, 2.3))
        for index, axis in enumerate(axes):
            way, layer = ways[index // len(shown)], shown[index % len(shown)]
            own = [each for each in cells if each.layout.way is way]
            _panel(axis, grid, own, layer, norm)
            if layer.is_bounded:
                _predict(axis, grid, pair, way, None if layer.is_measured else norm)
            _rings(axis, grid, own, layer.reached)
            axis.set_title(f"{WAYS[way]}{_block(own)}" + (f"\n{layer.name}" if len(shown) > 1 else ""))
    return Drawing(name=name, title=title, caption=caption, alt=_alt(title, ways, cells, shown[0]), figure=figure)


def _panel(axes: Axes, grid: Grid, cells: Sequence[BreakEven], layer: Layer, norm: Normalize) -> None:
    for each in cells:
        value = layer.value(each)
        if value is None:
            continue
        composed = "~" if layer.is_measured and each.is_composed else ""
        block = each.layout.block if layer.is_bounded else math.inf
        below = reach_of(each.tokens) if layer.has_intervals and each.has_interval else ""
        text = text_of(value, block, composed)
        write_cell(axes, grid.at(each.batch, each.layout.length), text, shade_of(value, norm), below)
    axes.set_xlim(-0.5, len(grid.batches) - 0.5)
    axes.set_ylim(-0.5, len(grid.lengths) - 0.5)
    axes.set_xticks(range(len(grid.batches)), [str(batch) for batch in grid.batches])
    axes.set_yticks(range(len(grid.lengths)), [str(length) for length in grid.lengths])
    axes.set(xlabel="batch B", ylabel="length N")
    axes.grid(visible=False)


def _predict(axes: Axes, grid: Grid, pair: PairMap, way: Way, norm: Normalize | None) -> None:
    """Fill cells without a time with what the limit says: shaded by `norm`, or on white."""
    timed = {(each.batch, each.layout.length) for each in pair.cells if each.layout.way is way}
    known = {each.beside.least_tokens is not None for each in pair.cells if each.layout.way is way}
    for (own, batch, length), value in pair.predicted.items():
        if own is way and ((batch, length) not in timed or (norm is not None and known == {False})):
            block = length - length // 2 if way is Way.whole else BLOCK
            shade = None if norm is None else shade_of(value, norm)
            write_cell(axes, grid.at(batch, length), text_of(value, block), shade)


def _rings(axes: Axes, grid: Grid, cells: Sequence[BreakEven], reached: Iterable[Reached]) -> None:
    """A ring where trained models write as many tokens per forward as are needed, a cross where they do not."""
    by_cell = {(each.layout.way, each.batch, each.layout.length): each for each in cells}
    for mark in reached:
        cell = by_cell.get((mark.way, mark.batch, mark.length))
        if cell is None:
            continue
        enough = mark.steps is not None and mark.steps <= cell.forwards.estimate
        column, row = grid.at(mark.batch, mark.length)
        axes.plot(
            *(column + 0.36, row - 0.3),
            "o" if enough else "x",
            mfc="none",
            mec=INK,
            color=INK,
            ms=5,
            ls="none",
            path_effects=[HALO],
        )


def _block(cells: Sequence[BreakEven]) -> str:
    blocks = {each.layout.block for each in cells if each.layout.way is not Way.whole}
    return f", blocks of {'/'.join(map(str, sorted(blocks)))}" if blocks else ""


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _alt(title: str, ways: Sequence[Way], cells: Sequence[BreakEven], layer: Layer) -> str:
    """What each panel says at its corners."""
    parts = []
    for way in ways:
        known = [(each, layer.value(each)) for each in cells if each.layout.way is way]
        values = [(each, value) for each, value in known if value is not None]
        if values:
            low, high = min(values, key=lambda item: item[1]), max(values, key=lambda item: item[1])
            parts.append(
                f"{WAYS[way]}: from {number(low[1])} at B={low[0].batch}, N={low[0].layout.length}"
                f" to {number(high[1])} at B={high[0].batch}, N={high[0].layout.length}"
            )
    return f"{title}, by batch and length. {'; '.join(parts)}."
