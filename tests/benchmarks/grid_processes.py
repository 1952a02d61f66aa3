"""A grid measured in several processes a point: `python -m tests.benchmarks.grid_processes FOLDER --link PREFIX`.

Prints how many times as fast diffusion is, with intervals over processes; how far the processes of a point lie apart,
for each arm and batch; and a row for each point: every process's median, its GPU, what disturbed it, and its record.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from analysis.statistics.intervals import Interval
from analysis.statistics.timing import Latency, latency, median_interval, ratio_interval
from crossover.records.identifiers import record_name
from crossover.records.load import find, from_file, read
from crossover.records.machine import Label, Verdict
from crossover.records.record import Record

Shape = tuple[int, int, int | None]
"""Batch, length, and the steps of a diffusion run."""
POWER = Label.power_cap
"""The label of nearly every sample of a large product, which is no remark."""


def shape(record: Record) -> Shape:
    """The place of a record in the grid."""
    diffusion = record.run.diffusion
    return record.run.batch, record.run.length, None if diffusion is None else diffusion.steps


def by_shape(records: Sequence[Record]) -> dict[Shape, list[Record]]:
    """The measurements of each point by their replicates, points in the order of the grid."""
    found: dict[Shape, list[Record]] = defaultdict(list)
    for record in records:
        if record.measurement is not None:
            found[shape(record)].append(record)
    ordered = sorted(found, key=lambda each: (each[0], each[1], each[2] or 0))
    return {each: sorted(found[each], key=lambda record: record.replicate or 0) for each in ordered}


def latency_s(record: Record) -> float:
    """The median of a record's samples."""
    assert record.measurement is not None
    return median(sample.latency_s for sample in record.measurement.samples)


def over(records: Sequence[Record]) -> Latency | None:
    """The latency over the processes of a point."""
    return latency([each.measurement for each in records if each.measurement is not None])


def speed_ups(points: Mapping[Shape, Sequence[Record]], steps: Sequence[int]) -> Iterator[str]:
    """A row for each batch and length: the baseline's seconds, and the baseline's over diffusion's for each K."""
    yield "| B | N | Llama-3 s | " + " | ".join(f"K={each}" for each in steps) + " |"
    yield "|" + "--:|" * (3 + len(steps))
    for batch, length in dict.fromkeys((batch, length) for batch, length, _ in points):
        base = over(points.get((batch, length, None), ()))
        cells = [_times(base, over(points.get((batch, length, each), ()))) for each in steps]
        seconds = "" if base is None else _words(median_interval(base))
        yield f"| {batch} | {length} | " + " | ".join([seconds, *cells]) + " |"


def _times(base: Latency | None, other: Latency | None) -> str:
    ratio = None if base is None or other is None else ratio_interval(base, other)
    if ratio is None:
        return ""
    return f"**{_words(ratio)}**" if ratio.low > 1 else _words(ratio)


def _words(interval: Interval) -> str:
    """An estimate and its ends, with as many digits as a part in a thousand takes."""
    digits = ".4g"
    return f"{interval.estimate:{digits}} [{interval.low:{digits}}, {interval.high:{digits}}]"


def apart(points: Mapping[Shape, Sequence[Record]]) -> Iterator[str]:
    """For each arm and batch: how far the processes of a point lie apart, the longest over the shortest."""
    spans: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (batch, _, steps), records in points.items():
        if len(records) > 1:
            each_s = [latency_s(record) for record in records]
            spans["Llama-3" if steps is None else "LLaDA", batch].append(max(each_s) / min(each_s) - 1)
    yield "| arm | B | points | median | most |"
    yield "|---|--:|--:|--:|--:|"
    for (arm, batch), shares in sorted(spans.items()):
        yield f"| {arm} | {batch} | {len(shares)} | {median(shares):.2%} | {max(shares):.2%} |"


def rows(points: Mapping[Shape, Sequence[Record]], link: str) -> Iterator[str]:
    """A row for each point, with each process's seconds, linked to its record, its GPU and what disturbed it."""
    gpus = sorted({_gpu(record) for records in points.values() for record in records})
    yield "| point | s of each process | GPUs | remarks |"
    yield "|---|---|---|---|"
    for records in points.values():
        name = records[0].name.split(" random weights")[0]
        seconds = " ".join(
            f"[{latency_s(record):.4g}]({link}{record_name(record.replicate_key, record.started_at)}.json)"
            for record in records
        )
        numbers = " ".join(str(gpus.index(_gpu(record))) for record in records)
        yield f"| {name} | {seconds} | {numbers} | {'; '.join(dict.fromkeys(_remarks(records)))} |"


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables of a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an output folder, or a folder of records")
    parser.add_argument("--steps", default="32,64,128", help="the levels of K (%(default)s)")
    parser.add_argument("--link", default="records/", help="what comes before a record's file in a link (%(default)s)")
    options = parser.parse_args(arguments)
    points = by_shape(read([from_file(file) for file in find(options.folder)]).records)
    steps = [int(each) for each in options.steps.split(",")]
    for part in (speed_ups(points, steps), apart(points), rows(points, options.link)):
        print("\n".join(part), end="\n\n")


if __name__ == "__main__":
    main()
