"""The map of break-even as a small table, which a telephone and a screen reader show as well as paper does."""

from dataclasses import dataclass

from analysis.parity.break_even import BreakEven
from analysis.report.figures.map_cell import shade_of, text_of
from analysis.report.map.study import PairMap
from analysis.report.points import spread_out
from analysis.statistics.forward_passes.pace import Way

TONES = 5
"""Steps of shade, light to dark."""
MOST = 8
"""Batches, and lengths."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number and its shade from 1 to `TONES`; shade 0 where the shape was not timed."""

    text: str
    tone: int


@dataclass(frozen=True, kw_only=True)
class MapCells:
    """Rows by length, the longest first, with a cell for each batch; `legend` explains the marks that occur."""

    title: str
    batches: tuple[int, ...]
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]
    legend: tuple[str, ...]


def shown_cells(pair: PairMap) -> tuple[BreakEven, ...]:
    """Those of the way of computing that has most cells."""
    ways = [each.layout.way for each in pair.cells]
    way = max(Way, key=ways.count)
    return tuple(each for each in pair.cells if each.layout.way is way)


def map_cells(pair: PairMap) -> MapCells:
    """The cells of one way of computing, timed or predicted."""
    shown, grid = shown_cells(pair), pair.grid
    way = shown[0].layout.way
    others = [str(each) for each in Way if each is not way and any(cell.layout.way is each for cell in pair.cells)]
    batches, lengths = spread_out(grid.batches, MOST), spread_out(grid.lengths, MOST)
    timed = {(each.batch, each.layout.length): each for each in shown}
    rows = tuple(
        (
            length,
            tuple(_cell(timed.get((batch, length)), pair.predicted.get((way, batch, length))) for batch in batches),
        )
        for length in reversed(lengths)
    )
    texts = [cell.text for _, cells in rows for cell in cells]
    return MapCells(
        title=f"Tokens that a forward pass of {pair.diffusion} ({way}) must write to be faster than {pair.baseline}",
        batches=tuple(batches),
        rows=rows,
        legend=(
            *(["~ composed from the times of single forward passes."] if any("~" in text for text in texts) else []),
            *(
                ["In brackets: more tokens than a block holds, so never faster."]
                if any("(" in text for text in texts)
                else []
            ),
            *(
                ["Without shade: not timed, what both models would need at the limit of the hardware."]
                if any(cell.text and not cell.tone for _, cells in rows for cell in cells)
                else []
            ),
            *([f"{' and '.join(others).capitalize()}: in the figure below."] if others else []),
        ),
    )


def _cell(timed: BreakEven | None, predicted: float | None) -> Cell:
    if timed is not None:
        value = timed.tokens.estimate
        text = text_of(value, timed.layout.block, "~" if timed.is_composed else "")
        return Cell(text=text, tone=1 + min(TONES - 1, int(TONES * shade_of(value))))
    return Cell(text="" if predicted is None else text_of(predicted, float("inf")), tone=0)
