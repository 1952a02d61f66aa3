"""The map of break-even: a number for each batch and length, one panel a way of computing."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle

from analysis.parity.break_even import BreakEven
from analysis.report.figures.style import INK, Drawing, look, panels
from analysis.report.map.study import PairMap, Reached
from analysis.report.words import number
from analysis.statistics.pace import Way

DARK = 0.55
"""From this shade on, numbers are white."""
WAYS = {
    Way.whole: "Whole canvas",
    Way.dual: "Dual cache (lossy)",
    Way.block_causal: "Block-causal",
}
TEN = 10
MEASURED = "measured"
REACHED = " A ring: trained models are as good as the baseline at as many tokens per forward; a cross: they are not."

Value = Callable[[BreakEven], float | None]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One column of panels: what it shows of each cell, and under which name."""

    name: str
    value: Value
    is_measured: bool = True
    is_bounded: bool = False


def draw_map(pair: PairMap) -> Drawing | None:
    """Tokens per forward that diffusion needs to be faster, beside the same at the device's limit."""
    layers = [
        Layer(name=MEASURED, value=lambda each: each.tokens.estimate, is_bounded=True),
        Layer(name="at the limit", value=lambda each: each.beside.least_tokens, is_measured=False, is_bounded=True),
    ]
    return _drawing(
        pair,
        layers,
        name="break-even-map",
        title="Tokens per forward that diffusion needs to be faster",
        caption="Below the number the baseline is faster, whatever the quality. In brackets: more than a block"
        " holds, so that no policy reaches it. ~ marks times composed from single passes. Right: the same if both"
        " models ran at the limit of the device by counted work, which no kernel can change."
        + (REACHED if pair.reached else ""),
    )


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
    norm: Any = None,  # noqa: ANN401 (matplotlib's Normalize, untyped)
) -> Drawing | None:
    cells = pair.cells
    shown = [layer for layer in layers if any(layer.value(each) is not None for each in cells)]
    if not shown:
        return None
    ways = [way for way in WAYS if any(each.layout.way is way for each in cells)]
    norm = norm or LogNorm(1, 512)
    with look():
        figure, axes = panels(len(ways) * len(shown), len(shown), size=(3.4, 2.3))
        for index, axis in enumerate(axes):
            way, layer = ways[index // len(shown)], shown[index % len(shown)]
            own = [each for each in cells if each.layout.way is way]
            _panel(axis, own, layer, norm)
            _rings(axis, own, pair.reached if layer.name == MEASURED else ())
            axis.set_title(f"{WAYS[way]}{_block(own)}" + (f"\n{layer.name}" if len(shown) > 1 else ""))
    return Drawing(name=name, title=title, caption=caption, alt=_alt(title, ways, cells, shown[0]), figure=figure)


def _panel(axes: Axes, cells: Sequence[BreakEven], layer: Layer, norm: Any) -> None:  # noqa: ANN401
    batches, lengths = sorted({each.batch for each in cells}), sorted({each.layout.length for each in cells})
    shades = colormaps["Blues"]
    for each in cells:
        value = layer.value(each)
        column, row = batches.index(each.batch), lengths.index(each.layout.length)
        if value is None:
            continue
        shade = float(norm(min(max(value, norm.vmin), norm.vmax)))
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=shades(shade), edgecolor="white"))
        composed = "~" if layer.is_measured and each.is_composed else ""
        ink = "white" if shade > DARK else INK
        text = f"{composed}{_short(value)}"
        if layer.is_bounded and value > each.layout.block:
            text = f"({text})"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    axes.set_xlim(-0.5, len(batches) - 0.5)
    axes.set_ylim(-0.5, len(lengths) - 0.5)
    axes.set_xticks(range(len(batches)), [str(batch) for batch in batches])
    axes.set_yticks(range(len(lengths)), [str(length) for length in lengths])
    axes.set(xlabel="batch B", ylabel="length N")
    axes.grid(visible=False)


def _rings(axes: Axes, cells: Sequence[BreakEven], reached: Iterable[Reached]) -> None:
    """A ring where trained models write as many tokens per forward as are needed, a cross where they do not."""
    batches, lengths = sorted({each.batch for each in cells}), sorted({each.layout.length for each in cells})
    by_cell = {(each.layout.way, each.batch, each.layout.length): each for each in cells}
    for mark in reached:
        cell = by_cell.get((mark.way, mark.batch, mark.length))
        if cell is None:
            continue
        enough = mark.steps is not None and mark.steps <= cell.forwards.estimate
        where = (batches.index(mark.batch) + 0.36, lengths.index(mark.length) - 0.3)
        axes.plot(*where, "o" if enough else "x", mfc="none", mec=INK, color=INK, ms=5, ls="none")


def _block(cells: Sequence[BreakEven]) -> str:
    blocks = {each.layout.block for each in cells if each.layout.way is not Way.whole}
    return f", blocks of {'/'.join(map(str, sorted(blocks)))}" if blocks else ""


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _short(value: float) -> str:
    """Two digits, whole numbers from 10 on."""
    if not math.isfinite(value):
        return "∞"
    return f"{value:.0f}" if value >= TEN else f"{value:.1f}"


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
