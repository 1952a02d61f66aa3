"""Composed latencies beside whole generations: `python -m tests.benchmarks.map.composition FOLDER`.

Reads the records that `tests.benchmarks.map.cells` wrote, and prints a row for each whole generation whose forward
passes were timed in another run (`timing=sampled`) of the same model and cache by the same process. A row has a value
for each process that made both. Larger batches are composed of the parts that they are computed in. Nothing of a whole
generation enters any composed latency.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from analysis.parity.arm_costs import ArmCosts, arm_costs, prefill
from analysis.statistics.forward_passes.times import forwards_of
from crossover.records.load import find, from_file, read
from crossover.records.record import Record
from crossover.records.run import Run

LIMIT = 0.02


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
    by_name: dict[str, list[Agreement]] = defaultdict(list)
    for row in rows:
        by_name[row.name].append(row)
    for name, alike in by_name.items():
        wholes, composed = (" ".join(f"{each:.4f}" for each in times) for times in _times(alike))
        differences = " ".join(_difference(row.difference) for row in alike)
        print(f"| {name} | {alike[0].forwards} | {wholes} | {composed} | {differences} |")
    within = sum(abs(row.difference) <= LIMIT for row in rows)
    print(f"\n{within} of {len(rows)} within {LIMIT:.0%}; largest {max(abs(row.difference) for row in rows):.1%}")
    sys.exit(0 if within == len(rows) else 1)


def _times(rows: Sequence[Agreement]) -> Iterator[list[float]]:
    yield [row.whole_s for row in rows]
    yield [row.composed_s for row in rows]


def _difference(share: float) -> str:
    return f"{share:+.1%}" if abs(share) <= LIMIT else f"**{share:+.1%}**"


def agreements(records: Sequence[Record]) -> Iterator[Agreement]:
    """One for each whole generation that its process can compose, processes in their order."""
    by_process: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        if record.measurement is not None:
            by_process[record.replicate or 0].append(record)
    for _, measured in sorted(by_process.items()):
        yield from _of_process(measured)


def _of_process(measured: Sequence[Record]) -> Iterator[Agreement]:
    parts: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in measured:
        if record.run.timed_share is not None:
            parts[_kind(record.run)].append(record)
    made = {kind: arm_costs(each) for kind, each in parts.items()}
    for record in measured:
        if record.run.timed_share is not None:
            continue
        try:
            yield _agreement(record, made[_kind(record.run)])
        except KeyError:
            print(f"{record.name}: no passes to compose it of", file=sys.stderr)


def _agreement(record: Record, costs: ArmCosts) -> Agreement:
    assert record.measurement is not None
    run, samples = record.run, record.measurement.samples
    keeps = run.diffusion is not None and run.diffusion.cache is not None
    composed_s = sum(costs.one(run.batch, forward, keeps=keeps) for forward in forwards_of(run, samples[0]))
    if run.diffusion is None:
        composed_s += costs.one(run.batch, prefill(run.prompt_tokens))
    return Agreement(
        name=record.run.name.replace(" random weights", ""),
        whole_s=median(sample.latency_s for sample in samples),
        composed_s=composed_s,
        forwards=record.measurement.forward_passes,
    )


def _kind(run: Run) -> tuple[str, str]:
    """Model and cache: passes of one kind stand for each other."""
    cache = None if run.diffusion is None else run.diffusion.cache
    return run.model.name, "" if cache is None else cache.label


if __name__ == "__main__":
    main()
