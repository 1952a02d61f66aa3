"""Composed latencies beside whole generations: `python -m tests.benchmarks.map.composition FOLDER`.

Reads the records that `tests.benchmarks.map.cells` wrote, and prints a row for each whole generation whose forward
passes were timed in another run: of diffusion on a whole canvas that of 4 steps, with a cache that of one block, of a
continuation the one of which a share of the tokens was timed. Larger batches are composed of the parts that they are
computed in. Nothing of the whole generation enters its composed latency.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from analysis.parity.arm_costs import ArmCosts, arm_costs, prefill
from analysis.statistics.forward_passes.times import forwards_of
from crossover.records.load import find, from_file, read
from crossover.records.record import Record
from crossover.records.run import Run
from tests.benchmarks.map.points import PART_TOKENS

LIMIT = 0.02
SHORT = 4
"""Steps of the runs that single passes are taken from."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A whole generation, and what single passes of other runs make of it."""

    name: str
    whole_s: float
    composed_s: float
    forwards: int

    @property
    def difference(self) -> float:
        """By what share the composed latency is longer."""
        return self.composed_s / self.whole_s - 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; status 1 where a row differs by more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="output folders of cells")
    options = parser.parse_args(arguments)
    records = read([from_file(file) for folder in options.folder for file in find(folder)]).records
    rows = list(agreements(records))
    print("| whole generation | forward passes | measured s | composed s | composed / measured - 1 |")
    print("|---|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {row.name} | {row.forwards} | {row.whole_s:.4f} | {row.composed_s:.4f} | {row.difference:+.1%} |")
    within = sum(abs(row.difference) <= LIMIT for row in rows)
    print(f"\n{within} of {len(rows)} within {LIMIT:.0%}; largest {max(abs(row.difference) for row in rows):.1%}")
    sys.exit(0 if within == len(rows) else 1)


def agreements(records: Sequence[Record]) -> Iterator[Agreement]:
    """A row for each whole generation that can be composed."""
    measured = [record for record in records if record.measurement is not None]
    parts = [record for record in measured if _is_part(record.run)]
    by_model = {name: arm_costs([each for each in parts if each.run.model.name == name]) for name in _names(measured)}
    for record in measured:
        if record in parts and not _is_large(record.run, parts):
            continue
        own = [each for each in parts if each is not record and each.run.model.name == record.run.model.name]
        costs = arm_costs(own) if record in parts else by_model[record.run.model.name]
        try:
            yield _agreement(record, costs)
        except KeyError:
            print(f"{record.name}: no passes to compose it of", file=sys.stderr)


def _agreement(record: Record, costs: ArmCosts) -> Agreement:
    assert record.measurement is not None
    run, samples = record.run, record.measurement.samples
    composed_s = sum(costs.one(run.batch, forward) for forward in forwards_of(run, samples[0]))
    if run.diffusion is None:
        composed_s += costs.one(run.batch, prefill(run.prompt_tokens))
    return Agreement(
        name=record.name,
        whole_s=median(sample.latency_s for sample in samples),
        composed_s=composed_s,
        forwards=record.measurement.forward_passes,
    )


def _is_part(run: Run) -> bool:
    """Whether single passes are taken from it."""
    return run.timed_share is not None or (run.diffusion is not None and run.diffusion.steps == SHORT)


def _is_large(run: Run, parts: Sequence[Record]) -> bool:
    """Whether it is a whole generation of as many steps, of a batch that is computed in parts."""
    same = [each.run.batch for each in parts if each.run.length == run.length and each.run.model == run.model]
    return (
        run.diffusion is not None
        and run.diffusion.cache is None
        and run.batch * run.length > PART_TOKENS
        and len(same) > 1
    )


def _names(records: Sequence[Record]) -> set[str]:
    return {record.run.model.name for record in records}


if __name__ == "__main__":
    main()
