"""A grid measured in several processes a point: `python -m tests.benchmarks.grid_processes FOLDER --link PREFIX`.

Prints how many times as fast diffusion is, with intervals over processes (° where composed, see grid_tables); how far
the processes of a point lie apart, for each arm and batch; and a row for each point: every process's median, its GPU,
what disturbed it, and its record. Records without a measurement follow.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import median

from analysis.statistics.intervals import Interval
from analysis.statistics.timing import ratio_interval
from crossover.records.identifiers import record_name
from crossover.records.load import find, from_file, read
from crossover.records.machine import Label, Verdict
from crossover.records.record import Record
from tests.benchmarks.grid_tables import MARKS, Cell, Grid

Shape = tuple[int, int, int | None]
"""Batch, length, and the steps of a diffusion run."""
DIGITS = ".4g"
"""As many digits as a part in a thousand takes."""
POWER = Label.power_cap
"""The label of nearly every sample of a large product, which is no remark."""


def shape(record: Record) -> Shape:
    """The place of a record in the grid."""
    diffusion = record.run.diffusion
    return record.run.batch, record.run.length, None if diffusion is None else diffusion.steps


def by_point(records: Sequence[Record]) -> list[list[Record]]:
    """The measurements of each point by their replicates, points in the order of the grid."""
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.key].append(record)
    ordered = sorted(found.values(), key=lambda alike: [each or 0 for each in shape(alike[0])])
    return [sorted(alike, key=lambda record: record.replicate or 0) for alike in ordered]


def latency_s(record: Record) -> float:
    """The median of a record's samples."""
    assert record.measurement is not None
    return median(sample.latency_s for sample in record.measurement.samples)


def speed_ups(grid: Grid, batches: Sequence[int], lengths: Sequence[int], steps: Sequence[int]) -> Iterator[str]:
    """A row for each batch and length: the baseline's seconds, and the baseline's over diffusion's for each K."""
    yield "| B | N | Llama-3 s | " + " | ".join(f"K={each}" for each in steps) + " |"
    yield "|" + "--:|" * (3 + len(steps))
    for batch, length in product(batches, lengths):
        base = grid.baseline(batch, length)
        cells = [_times(base, grid.diffusion(batch, length, each)) for each in steps]
        seconds = "" if base is None else _words(base.latency) + MARKS[base.source]
        yield f"| {batch} | {length} | " + " | ".join([seconds, *cells]) + " |"


def _times(base: Cell | None, other: Cell | None) -> str:
    ratio = None if base is None or other is None else ratio_interval(base.over, other.over)
    if ratio is None or other is None:
        return ""
    words = _words(ratio) + MARKS[other.source]
    return f"**{words}**" if ratio.low > 1 else words


def _words(interval: Interval) -> str:
    """An estimate and its ends."""
    return f"{interval.estimate:{DIGITS}} [{interval.low:{DIGITS}}, {interval.high:{DIGITS}}]"


def apart(points: Sequence[Sequence[Record]]) -> Iterator[str]:
    """For each arm and batch: how far the processes of a point lie apart, the longest over the shortest."""
    spans: dict[tuple[str, int], list[float]] = defaultdict(list)
    for records in points:
        batch, _, steps = shape(records[0])
        if len(records) > 1:
            each_s = [latency_s(record) for record in records]
            spans["Llama-3" if steps is None else "LLaDA", batch].append(max(each_s) / min(each_s) - 1)
    yield "| arm | B | points | median | most |"
    yield "|---|--:|--:|--:|--:|"
    for (arm, batch), shares in sorted(spans.items()):
        yield f"| {arm} | {batch} | {len(shares)} | {median(shares):.2%} | {max(shares):.2%} |"


def rows(points: Sequence[Sequence[Record]], link: str) -> Iterator[str]:
    """A row for each point, with each process's seconds, linked to its record, its GPU and what disturbed it."""
    gpus = sorted({_gpu(record) for records in points for record in records})
    yield "| point | s of each process | GPUs | remarks |"
    yield "|---|---|---|---|"
    for records in points:
        name = records[0].name.split(" random weights")[0]
        seconds = " ".join(f"[{latency_s(record):.4g}]({link}{_file_name(record)})" for record in records)
        numbers = " ".join(str(gpus.index(_gpu(record))) for record in records)
        yield f"| {name} | {seconds} | {numbers} | {'; '.join(dict.fromkeys(_remarks(records)))} |"


def failures(records: Sequence[Record], link: str) -> Iterator[str]:
    """A line that links each record without a measurement, and says why it has none."""
    failed = [
        f"[{record.title.replace(' random weights', '')}]({link}{_file_name(record)}) {record.failure.kind}"
        for record in sorted(records, key=lambda each: each.started_at)
        if record.failure is not None
    ]
    if failed:
        yield f"Not measured: {', '.join(failed)}."


def _file_name(record: Record) -> str:
    return f"{record_name(record.replicate_key, record.started_at)}.json"


def _gpu(record: Record) -> str:
    return "" if record.environment is None else record.environment.gpu_uuid or ""


def _remarks(records: Sequence[Record]) -> Iterator[str]:
    for number, record in enumerate(records):
        assert record.measurement is not None
        watched = record.measurement.watched
        if watched is not None and watched.verdict is not Verdict.clean:
            counted = ", ".join(
                f"{each.label} in {each.samples}" for each in watched.labelled if each.label is not POWER
            )
            yield f"{number}: {watched.verdict} ({counted})"
        if record.measurement.warmup_too_short:
            yield f"{number}: slow first sample"


def _numbers(given: str) -> list[int]:
    return [int(each) for each in given.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an output folder, or a folder of records")
    for name, levels in (("batches", "1,8,32"), ("lengths", "512,1024,2048"), ("steps", "32,64,128")):
        parser.add_argument(f"--{name}", type=_numbers, default=levels, help=f"those of the table ({levels})")
    parser.add_argument("--link", default="records/", help="what comes before a record's file in a link (%(default)s)")
    options = parser.parse_args(arguments)
    records = read([from_file(file) for file in find(options.folder)]).records
    grid = Grid(records)
    points = by_point(grid.records)
    table = speed_ups(grid, options.batches, options.lengths, options.steps)
    for part in (table, apart(points), rows(points, options.link), failures(records, options.link)):
        print("\n".join(part), end="\n\n")


if __name__ == "__main__":
    main()
