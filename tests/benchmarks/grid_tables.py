"""A grid's latencies as tables: `python -m tests.benchmarks.grid_tables FOLDER... --steps 32,64,128 --csv FILE`.

Reads the records of output folders. Each cell says where it comes from: a whole generation, one of which a share of the
forward passes was timed (`timing=sampled`), or `composed` (with the mark °): no run has this K, and its latency is the
sum of the passes of its schedule, each as long as those that other runs of this model and length timed at this batch,
or at a smaller one that the engine computes it in parts of. A continuation is composed of those of its batch at other
lengths. Of several processes (replicates) each composes its own latency; intervals hold over them.
"""

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from pathlib import Path

from analysis.parity.arm_costs import ArmCosts, arm_costs, prefill
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import Latency, latency, median_interval, over_processes, summarise
from benchmark.decoders.plan import plan_of
from crossover.records.load import find, from_file, read
from crossover.records.record import Record
from crossover.records.run import USUAL_PROMPT_FRACTION, Run, split_length

WHOLE, SAMPLED, COMPOSED = "whole", "sampled", "composed"
MARKS = {WHOLE: "", SAMPLED: "", COMPOSED: "°"}
GIB = 2**30
WHOLE_SHARE = 2.0
"""Where a whole generation stands among shares of one: before them."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A point's latency and where it comes from; `record` is that of the run, or of one that it is composed from.

    `over` has the latency over the processes that measured or composed it.
    """

    run: Run
    over: Latency
    source: str
    record: Record

    @property
    def latency(self) -> Interval:
        """The latency in seconds."""
        return median_interval(self.over)

    @property
    def processes(self) -> int:
        """How many processes measured or composed it."""
        return self.over.processes


def is_of_grid(run: Run) -> bool:
    """Whether a run is a whole canvas in one block, or a continuation, of half prompt and half output."""
    diffusion = run.diffusion
    plain = diffusion is None or (diffusion.cache is None and diffusion.block_length == run.output_tokens)
    return plain and run.prompt_fraction == USUAL_PROMPT_FRACTION


class Grid:
    """The records of two arms, and what follows from them for each point."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = [record for record in records if record.measurement is not None and is_of_grid(record.run)]
        indices = sorted({each.replicate or 0 for each in self.records})
        self._costs = [
            self._arms([each for each in self.records if (each.replicate or 0) == index]) for index in indices
        ]

    def _arms(self, records: Sequence[Record]) -> dict[str, ArmCosts]:
        """What the passes of one process cost, by the names of the arms."""
        return {name: arm_costs([each for each in records if each.run.model.name == name]) for name in self.models}

    @property
    def models(self) -> list[str]:
        """The names of the arms."""
        return sorted({record.run.model.name for record in self.records})

    def shapes(self) -> list[tuple[int, int]]:
        """Every batch that was measured with every length that was."""
        runs = [record.run for record in self.records]
        return list(product(sorted({run.batch for run in runs}), sorted({run.length for run in runs})))

    def baseline(self, batch: int, length: int) -> Cell | None:
        """The continuation of this shape: whole, else sampled, else composed of the passes of others of this batch."""
        return self.measured(batch, length, None) or self._composed(batch, length, None)

    def diffusion(self, batch: int, length: int, steps: int) -> Cell | None:
        """The generation in so many steps: whole, else sampled, else composed of the passes of other steps."""
        return self.measured(batch, length, steps) or self._composed(batch, length, steps)

    def measured(self, batch: int, length: int, steps: int | None) -> Cell | None:
        """A point that runs measured, whole or in part: by the most processes; `steps` is None for the baseline."""
        fitting = [each for each in self._of_shape(batch, length, diffusion=steps is not None) if _steps(each) == steps]
        if not fitting:
            return None
        by_share: dict[float | None, list[Record]] = defaultdict(list)
        for each in fitting:
            by_share[each.run.timed_share].append(each)
        share, chosen = max(by_share.items(), key=lambda item: (len({*_processes(item[1])}), item[0] or WHOLE_SHARE))
        found = latency([each.measurement for each in chosen if each.measurement is not None])
        source = WHOLE if share is None else SAMPLED
        if found is None:
            return None
        return Cell(
            run=chosen[0].run,
            over=found,
            source=source,
            record=chosen[-1],
        )

    def _composed(self, batch: int, length: int, steps: int | None) -> Cell | None:
        beside = next((each for each in self.records if (each.run.diffusion is None) == (steps is None)), None)
        if beside is None:
            return None
        diffusion = beside.run.diffusion
        if diffusion is not None and steps is not None:
            block_length = split_length(length, beside.run.prompt_fraction)[1]
            diffusion = replace(diffusion, steps=steps, block_length=block_length)
        run = replace(beside.run, batch=batch, length=length, diffusion=diffusion, timed_share=1.0)
        if run.infeasible:
            return None
        found = []
        for costs in self._costs:
            with suppress(KeyError):
                found.append(summarise([composed_s(run, costs[run.model.name])]))
        if not found:
            return None
        return Cell(run=run, over=over_processes(found), source=COMPOSED, record=beside)

    def _of_shape(self, batch: int, length: int, *, diffusion: bool) -> list[Record]:
        return [
            each
            for each in self.records
            if (each.run.batch, each.run.length) == (batch, length) and (each.run.diffusion is not None) == diffusion
        ]


def _processes(records: Iterable[Record]) -> Iterator[int]:
    yield from (each.replicate or 0 for each in records)


def _steps(record: Record) -> int | None:
    return None if record.run.diffusion is None else record.run.diffusion.steps


def composed_s(run: Run, costs: ArmCosts) -> float:
    """The sum of all passes of a schedule, after the prefill of a continuation."""
    plan = plan_of(run)
    assert plan is not None
    before = 0.0 if run.diffusion is not None else costs.one(run.batch, prefill(run.prompt_tokens))
    return before + sum(costs.one(run.batch, forward) for forward in plan.forwards)


def table(grid: Grid, steps: Sequence[int]) -> Iterator[str]:
    """A row for each batch and length: seconds of either arm, and the baseline's over those of each K."""
    heads = [f"K={each} s" for each in steps] + [f"K={each}" for each in steps]
    yield "| B | N | Llama-3 s | " + " | ".join(heads) + " |"
    yield "|" + "--:|" * (3 + len(heads))
    for batch, length in grid.shapes():
        base = grid.baseline(batch, length)
        cells = [grid.diffusion(batch, length, each) for each in steps]
        seconds = [_seconds(cell) for cell in (base, *cells)]
        times = ["" if base is None or cell is None else _times(base, cell) for cell in cells]
        yield f"| {batch} | {length} | " + " | ".join([*seconds, *times]) + " |"


def _seconds(cell: Cell | None) -> str:
    return "" if cell is None else f"{cell.latency.estimate:.3g}{MARKS[cell.source]}"


def _times(base: Cell, cell: Cell) -> str:
    ratio = base.latency.estimate / cell.latency.estimate
    return f"**{ratio:.3g}**" if ratio > 1 else f"{ratio:.3g}"


OF_POINT = ("model", "B", "N", "K", "source", "processes", "latency_s", "low_s", "high_s")
OF_RUN = ("samples", "tokens_per_s", "reserved_gib", "power_w", "sm_mhz", "verdict", "gpu_uuid", "record")
HEADINGS = (*OF_POINT, *OF_RUN)


def rows(grid: Grid, steps: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """A row for each point, as in `HEADINGS`. What belongs to a run is left out where a point is composed."""
    for (batch, length), each in product(grid.shapes(), (None, *steps)):
        cell = grid.baseline(batch, length) if each is None else grid.diffusion(batch, length, each)
        if cell is None:
            continue
        speed = f"{batch * cell.run.output_tokens / cell.latency.estimate:.6g}"
        ends = [f"{end:.6g}" for end in (cell.latency.estimate, cell.latency.low, cell.latency.high)]
        if cell.source == COMPOSED and cell.processes == 1:
            ends[1:] = "", ""
        point = (cell.run.model.name, batch, length, each or "", cell.source, cell.processes)
        yield (*point, *ends, *_of_run(cell, speed))


def _of_run(cell: Cell, speed: str) -> tuple[object, ...]:
    measured = cell.record.measurement
    assert measured is not None
    if cell.source == COMPOSED:
        return ("", speed, "", "", "", "", "", "")
    known = [sample.conditions for sample in measured.samples if sample.conditions is not None]
    powers = [each.power_w for each in known if each.power_w is not None]
    clocks = [each.sm_mhz_low for each in known if each.sm_mhz_low is not None]
    reserved = measured.memory.max_reserved_bytes
    return (
        len(measured.samples),
        speed,
        "" if reserved is None else f"{reserved / GIB:.2f}",
        f"{max(powers):.0f}" if powers else "",
        min(clocks, default=""),
        "" if measured.watched is None else measured.watched.verdict,
        "" if cell.record.environment is None else cell.record.environment.gpu_uuid or "",
        cell.record.key,
    )


def agreement(grid: Grid) -> Iterator[str]:
    """A row for each point of which there are whole and sampled generations; nothing of the one is in the other."""
    records = grid.records
    whole = Grid([each for each in records if each.run.timed_share is None])
    sampled = Grid([each for each in records if each.run.timed_share is not None])
    for batch, length in whole.shapes():
        for steps in (None, *sorted({each for record in records if (each := _steps(record)) is not None})):
            one, other = (each.measured(batch, length, steps) for each in (whole, sampled))
            if one is not None and other is not None:
                difference = other.latency.estimate / one.latency.estimate - 1
                named = f"{one.run.name.removesuffix(' random weights')}"
                yield f"| {named} | {one.latency.estimate:.4f} | {other.latency.estimate:.4f} | {difference:+.1%} |"


def spent(records: Sequence[Record]) -> Iterator[str]:
    """What each GPU did: its points, and the seconds from the start of each to its record, failed ones included."""
    by_gpu: dict[str, list[float]] = defaultdict(list)
    for record in records:
        uuid = "no GPU" if record.environment is None else record.environment.gpu_uuid or "no GPU"
        began, ended = (datetime.fromisoformat(moment) for moment in (record.started_at, record.finished_at))
        by_gpu[uuid].append((ended - began).total_seconds())
    for uuid, seconds in sorted(by_gpu.items()):
        yield f"{uuid}: {len(seconds)} records, {sum(seconds):.0f} s from their starts to their ends"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table; write the CSV."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="+", help="output folders, or folders of records")
    parser.add_argument("--steps", default="32,64,128", help="the levels of K (%(default)s)")
    parser.add_argument("--csv", type=Path, help="write a row for each point")
    options = parser.parse_args(arguments)
    steps = [int(each) for each in options.steps.split(",")]
    records = read([from_file(file) for folder in options.folder for file in find(folder)]).records
    grid = Grid(records)
    print("\n".join(table(grid, steps)))
    sources = [row[4] for row in rows(grid, steps)]
    counted = ", ".join(f"{sources.count(source)} {source}" for source in (WHOLE, SAMPLED, COMPOSED))
    if rows_of_both := list(agreement(grid)):
        print("\n| whole generation | measured s | sampled s | sampled / measured - 1 |\n|---|--:|--:|--:|")
        print("\n".join(rows_of_both))
    print("\n".join([f"\n{len(sources)} points: {counted}", *spent(records)]), file=sys.stderr)
    if options.csv:
        with options.csv.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([HEADINGS, *rows(grid, steps)])


if __name__ == "__main__":
    main()
