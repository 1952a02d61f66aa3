"""The map of published records: `python -m tests.benchmarks.map.publish RECORDS --output FOLDER`.

As `python -m analysis map`, with the row of panels that the README shows (on a telephone the column), and with two
additions. The block-causal model of the diffusion model's size (`cells`) gives that model's panel its cells and its
power. And cached steps that `tests.benchmarks.cached_steps` timed on such a card fill what no record timed: LOG is its
output, whose rows have the median step over a block of 32 against kept keys and values, and that of the whole canvas
between. With `--energy` the power of both models is that of other records.
"""

import argparse
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.parity.break_even import BreakEven
from analysis.parity.timed_pairs import Pair, pairs_of
from analysis.report.figures.break_even_map import draw_column, draw_row
from analysis.report.map.study import PairMap, pair_map
from analysis.report.write import write_maps
from analysis.statistics.forward_passes.composition import Costs, Forward, costs
from analysis.statistics.forward_passes.pace import Way
from crossover.records.load import find, from_file, read
from crossover.records.record import Record
from tests.benchmarks.map.points import BLOCK, IN_BLOCKS_NAME

NAMES = {"llada": "LLaDA-8B", "llama": "Llama-3-8B"}
ROW = re.compile(r"\| dual B=(\d+) N=(\d+) \| [\d.]+ \| \*\*([\d.]+)\*\* \|(?:[^|]*\|){3} ([\d.]+) \|")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write figures and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, nargs="+")
    parser.add_argument("--steps", type=Path)
    parser.add_argument("--energy", type=Path, nargs="*", default=[], help="records whose power counts")
    parser.add_argument(
        "--allow", nargs="*", default=[], metavar="NAME", help="controls that may differ, such as commit"
    )
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    records = records_in(options.records)
    steps = [] if options.steps is None else list(steps_of(options.steps.read_text(encoding="utf-8")))
    pairs = powered(pairs_of(records, options.allow), pairs_of(records_in(options.energy), options.allow))
    maps = list(merged_maps(pairs, steps))
    for file in write_maps(maps, options.output):
        print(file)
    largest = with_full_names(max(maps, key=lambda each: len(each.cells)))
    for drawing in (draw_row(largest), draw_column(largest)):
        if drawing is not None:
            print(options.output / f"{drawing.save(options.output).name}.svg")


def with_full_names(pair: PairMap) -> PairMap:
    """The map, its models named as readers of a page know them."""
    return replace(
        pair, diffusion=NAMES.get(pair.diffusion, pair.diffusion), baseline=NAMES.get(pair.baseline, pair.baseline)
    )


def records_in(folders: Sequence[Path]) -> list[Record]:
    """Those of all folders."""
    return list(read([from_file(file) for folder in folders for file in find(folder)]).records)


def powered(pairs: Sequence[Pair], others: Sequence[Pair]) -> list[Pair]:
    """The pairs, with the power that other records have of the same models."""
    known = {(each.diffusion, each.baseline): each for each in others}
    return [_powered(pair, known.get((pair.diffusion, pair.baseline), pair)) for pair in pairs]


def _powered(pair: Pair, other: Pair) -> Pair:
    return replace(
        pair,
        diffusion_costs=replace(pair.diffusion_costs, watts=other.diffusion_costs.watts),
        baseline_costs=replace(pair.baseline_costs, watts=other.baseline_costs.watts),
    )


def merged_maps(pairs: Sequence[Pair], steps: Sequence[tuple[int, Forward, float]] = ()) -> Iterator[PairMap]:
    """One for each pair, with its block-causal cells from the block-causal model, which has no map of its own."""
    in_blocks = {pair.baseline: pair for pair in pairs if pair.diffusion == IN_BLOCKS_NAME}
    for pair in pairs:
        if pair.diffusion == IN_BLOCKS_NAME:
            continue
        known = with_steps(pair, steps)
        other = in_blocks.get(pair.baseline)
        if other is None:
            yield pair_map(known)
        else:
            lengths = {each[0].run.length for each in other.of_diffusion}
            yield with_blocks(pair_map(with_power(known, other)), pair_map(other), lengths)


def with_power(pair: Pair, in_blocks: Pair) -> Pair:
    """The pair, with the power of block-causal generations."""
    own = pair.diffusion_costs
    return replace(pair, diffusion_costs=replace(own, watts={**in_blocks.diffusion_costs.watts, **own.watts}))


def with_blocks(own: PairMap, in_blocks: PairMap, lengths: Collection[int]) -> PairMap:
    """The map, in which block-causal cells of the lengths that were measured replace those made of other passes."""
    known = {_cell(each): each for each in own.cells}
    blocks = [each for each in in_blocks.cells if each.layout.length in lengths]
    measured = {_cell(each): _among(own, known.get(_cell(each)), each) for each in blocks}
    cells = {**known, **measured}
    others = (each for each in own.rows if _cell(each) not in measured)
    return replace(own, rows=(*others, *measured.values()), cells=tuple(cells.values()))


def _among(own: PairMap, composed: BreakEven | None, measured: BreakEven) -> BreakEven:
    """A measured cell as one of the pair's own, beside the limit that its counted work gives."""
    least, beside = own.predicted.get(_cell(measured)), measured.beside
    shares = beside if composed is None else composed.beside
    return replace(
        measured,
        diffusion=own.diffusion,
        beside=replace(
            beside, least_tokens=least, baseline_share=shares.baseline_share, diffusion_share=shares.diffusion_share
        ),
    )


def _cell(each: BreakEven) -> tuple[Way, int, int]:
    return each.layout.way, each.batch, each.layout.length


def steps_of(text: str) -> Iterator[tuple[int, Forward, float]]:
    """Batch, forward pass and seconds: a step over a block, and one over the canvas."""
    for batch, length, block_ms, whole_ms in ROW.findall(text):
        kept = int(length)
        yield int(batch), Forward(BLOCK, kept, BLOCK / 2), float(block_ms) / 1e3
        yield int(batch), Forward(kept, kept, BLOCK), float(whole_ms) / 1e3


def with_steps(pair: Pair, steps: Sequence[tuple[int, Forward, float]]) -> Pair:
    """The pair, with steps of kinds that its records did not time."""
    own = pair.diffusion_costs
    seconds = dict(own.kept_seconds)
    for rows in {batch for batch, _, _ in steps}:
        seconds[rows] = merged_costs(seconds.get(rows), [(each, time) for batch, each, time in steps if batch == rows])
    return replace(pair, diffusion_costs=replace(own, kept_seconds=seconds))


def merged_costs(known: Costs | None, steps: Sequence[tuple[Forward, float]]) -> Costs:
    """The records' own times, and the steps that attend to another number of positions than those."""
    by_computed = {} if known is None else dict(known.by_computed)
    for computed, (kept, read_T, seconds) in costs(steps).by_computed.items():
        own = by_computed.get(computed)
        new = np.ones(len(kept), bool) if own is None else ~np.isin(kept, own[0])
        added = (kept[new], read_T[new], seconds[new])
        by_computed[computed] = (
            added if own is None else tuple(np.concatenate(each) for each in zip(own, added, strict=True))  # type: ignore[assignment]
        )
    return Costs(by_computed=by_computed)


if __name__ == "__main__":
    main()
