"""The cells of the map: what was measured or can be composed, on the grid of the records' batches and lengths."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.parity.break_even import BreakEven, break_evens, composed_break_evens, predictions
from analysis.parity.identity import told_apart
from analysis.parity.timed_pairs import Pair, pairs_of
from analysis.report.figures.panel import Panel
from analysis.report.map.reached import Reached, TrainedComparison, compared_pairs, reached_at
from analysis.statistics.forward_passes.pace import Way
from crossover.records.record import Record

LEAST_CELLS = 2
"""A map has so many cells at least."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The batches and lengths of a map."""

    batches: tuple[int, ...]
    lengths: tuple[int, ...]

    def at(self, batch: int, length: int) -> tuple[int, int]:
        """Column and row of a cell."""
        return self.batches.index(batch), self.lengths.index(length)


@dataclass(frozen=True, kw_only=True)
class PairMap:
    """Break-even of one diffusion model and one baseline.

    Attributes:
        rows: of every shape and setting that was measured, and the cells besides.
        cells: of the grid of batches and lengths, half prompt, measured or composed.
        reached: where the quality of both was compared.
        predicted: tokens per forward needed at the device's limit, by cell, for cells without a time, too.
    """

    diffusion: str
    baseline: str
    rows: tuple[BreakEven, ...]
    cells: tuple[BreakEven, ...]
    reached: tuple[Reached, ...]
    predicted: Mapping[tuple[Way, int, int], float]

    @property
    def grid(self) -> Grid:
        """The batches and lengths of the cells, timed or predicted."""
        shapes = {(each.batch, each.layout.length) for each in self.cells}
        shapes |= {(batch, length) for _, batch, length in self.predicted}
        return Grid(
            batches=tuple(sorted({batch for batch, _ in shapes})),
            lengths=tuple(sorted({length for _, length in shapes})),
        )


def pair_maps(
    records: Iterable[Record], panels: Iterable[Panel] = (), allow: Collection[str] = frozenset()
) -> list[PairMap]:
    """One for each pair that has a break-even, in the order of their names."""
    every = told_apart(tuple(records))
    names = {record.run.model.label: record.run.model.name for record in every}
    compared = compared_pairs(panels, names)
    made = (pair_map(pair, compared) for pair in pairs_of(every, allow))
    return sorted((each for each in made if each.rows), key=lambda each: (each.diffusion, each.baseline))


def largest(maps: Iterable[PairMap]) -> PairMap | None:
    """The one with most cells, which the report draws; None where all have a cell or none."""
    pair = max(maps, key=lambda each: len(each.cells), default=None)
    return None if pair is None or len(pair.cells) < LEAST_CELLS else pair


def pair_map(pair: Pair, compared: Sequence[TrainedComparison] = ()) -> PairMap:
    """That of one pair, on the grid of its batches and lengths; with `compared`, where its trained models stand."""
    shapes = [each[0].run for each in (*pair.of_baseline, *pair.of_diffusion)]
    batches, lengths = sorted({run.batch for run in shapes}), sorted({run.length for run in shapes})
    rows = break_evens(pair)
    cells = composed_break_evens(pair, Way, batches, lengths, rows)
    return PairMap(
        diffusion=pair.diffusion,
        baseline=pair.baseline,
        rows=(*rows, *(cell for cell in cells if cell not in rows)),
        cells=tuple(cells),
        reached=tuple(
            reached_at(pair, compared, {(each.layout.way, each.batch, each.layout.length) for each in cells})
        ),
        predicted=predictions(pair, Way, batches, lengths),
    )
