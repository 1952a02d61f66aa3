"""The map of published records: `python -m tests.benchmarks.map.publish RECORDS --steps LOG --output FOLDER`.

As `python -m analysis map`, with the row of panels that the README shows, and with cached steps that
`tests.benchmarks.cached_steps` timed on the same card in the same hour: LOG is its output, whose rows have the median
step over a block of 32 against kept keys and values, and that of the whole canvas between.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.parity.timed_pairs import Pair, pairs_of
from analysis.report.figures.break_even_map import draw_row
from analysis.report.map.study import pair_map
from analysis.report.write import write_maps
from analysis.statistics.forward_passes.composition import Costs, Forward, costs
from crossover.records.load import find, from_file, read
from tests.benchmarks.map.points import BLOCK

ROW = re.compile(r"\| dual B=(\d+) N=(\d+) \| [\d.]+ \| \*\*([\d.]+)\*\* \|(?:[^|]*\|){3} ([\d.]+) \|")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write figures and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--steps", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    records = read([from_file(file) for file in find(options.records)]).records
    steps = list(steps_of(options.steps.read_text(encoding="utf-8")))
    pairs = [with_steps(pair, steps) for pair in pairs_of(records)]
    maps = [pair_map(pair) for pair in pairs]
    for file in write_maps(maps, options.output):
        print(file)
    row = draw_row(max(maps, key=lambda each: len(each.cells)))
    if row is not None:
        print(options.output / f"{row.save(options.output).name}.svg")


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
