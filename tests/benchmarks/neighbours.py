"""Whether GPUs of one machine disturb each other: `python -m tests.benchmarks.neighbours --output FOLDER`.

It needs a machine with at least two GPUs. One process on each holds both models of the 8B pair, with random weights,
and measures two points by turns: alone, while all others measure the same point, and while half of all measure the
other point. Before each timed generation come two seconds of the same work, since a card that idled draws its full
power and lowers its clock only later. A latency among neighbours is divided by that of the same point alone, in the
same process and the same round; the interval is over the rounds. Every second round runs backwards, so that drift meets
all alike.
`--tiny` tries it out with two processes on the CPU.
"""

import argparse
import json
import os
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

from scipy.stats import t as student

from analysis.statistics.intervals import Interval, around
from benchmark.dispatch.local_gpus import bind
from benchmark.hardware.slots import Slot, cpu_slots, gpu_slots
from benchmark.util.child_python import python_command
from crossover.confidence import LEVEL

LARGE = ("model=llama batch=1 length=256 hardware=gpu", "model=llada batch=8 length=512 steps=8 hardware=gpu")
TINY = ("model=tiny_llama batch=1 length=64 hardware=cpu", "model=tiny_llada batch=2 length=64 steps=4 hardware=cpu")
ALONE, SAME, OTHER, HALVES = "alone", "same", "other", "halves"
WORDS = {
    SAME: "the others at the same point",
    OTHER: "the other at the other point",
    HALVES: "half of all at the other point",
}
SAMPLES = "samples.jsonl"
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Points that are measured at once: the number of each process's point, by the process's number."""

    way: str
    points: dict[int, int]


def phases(processes: int) -> list[Phase]:
    """Each point on each GPU alone; on all at once; and on one half of the GPUs while the other half has the other.

    Of two GPUs that is one beside the other. Of three a half is rounded up or down.
    """
    every = range(processes)
    alone = [Phase(way=ALONE, points={process: point}) for point in (0, 1) for process in every]
    same = [Phase(way=SAME, points=dict.fromkeys(every, point)) for point in (0, 1)]
    way = OTHER if processes == 2 else HALVES
    halves = [Phase(way=way, points={each: (each + first) % 2 for each in every}) for first in (0, 1)]
    return [*alone, *same, *halves]


def measure(slots: Sequence[Slot], points: Sequence[str], output: Path, end_s: float, lead_in_s: float) -> None:
    """Measure in rounds until the time is over; every measurement is on disk before the next phase begins."""
    output.mkdir(parents=True, exist_ok=True)
    first = 1 + max((row["round"] for row in read(output)), default=-1)
    with ExitStack() as stack, (output / SAMPLES).open("a", encoding="utf-8") as file:
        processes = [stack.enter_context(started(slot, points, output, lead_in_s)) for slot in slots]
        for slot, process in zip(slots, processes, strict=True):
            told = answer(process)
            print(f"{slot.name}: {told['gpu'] or 'no GPU'}", flush=True)
            names = told["names"]
        round_s, number = 0.0, first
        while time.monotonic() + round_s < end_s:
            began_s = time.monotonic()
            for phase in phases(len(slots))[:: -1 if number % 2 else 1]:
                for row in together(phase, processes):
                    named = {"gpu": slots[row["process"]].name, "point": names[phase.points[row["process"]]]}
                    file.write(json.dumps({"round": number, "way": phase.way, **named, **row}) + "\n")
                file.flush()
            round_s, number = time.monotonic() - began_s, number + 1
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()


def started(slot: Slot, points: Sequence[str], output: Path, lead_in_s: float) -> subprocess.Popen[str]:
    """The process of a slot, pinned as `hardware=local_gpus` pins its own."""
    command = python_command("tests.benchmarks.neighbours_process", *points, f"--lead-in={lead_in_s}")
    with (output / f"{slot.name.replace(' ', '-')}.log").open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | slot.variables,
            text=True,
        )
    bind(process.pid, slot.cores)
    return process


def together(phase: Phase, processes: Sequence[subprocess.Popen[str]]) -> Iterator[Row]:
    """What all processes of a phase measured, once each of them is done."""
    for number, point in phase.points.items():
        stdin = processes[number].stdin
        assert stdin is not None
        stdin.write(f"{point}\n")
        stdin.flush()
    for number in phase.points:
        yield {"process": number, **answer(processes[number])}


def answer(process: subprocess.Popen[str]) -> Row:
    """The next line of a process."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"a process ended with {process.wait()}: see its log")
    told: Row = json.loads(line)
    return told


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One point on one GPU among neighbours: its latency over that alone, and the card's power and clock both ways."""

    gpu: str
    point: str
    way: str
    rounds: int
    ratio: Interval
    alone: Row
    among: Row

    @property
    def is_disturbed(self) -> bool:
        """Whether the interval leaves 1 out."""
        return not self.ratio.low <= 1 <= self.ratio.high


def compare(rows: Sequence[Row]) -> list[Comparison]:
    """Every point on every GPU beside either kind of neighbours, where two rounds or more have it."""
    found: dict[tuple[str, str], dict[str, dict[int, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        found[row["point"], row["gpu"]][row["way"]].setdefault(row["round"], row)
    compared = []
    for (point, gpu), ways in sorted(found.items()):
        for way in (SAME, OTHER, HALVES):
            rounds = sorted(ways[ALONE].keys() & ways[way].keys())
            if len(rounds) < 2:
                continue
            pairs = [(ways[way][number]["latency_s"], ways[ALONE][number]["latency_s"]) for number in rounds]
            compared.append(
                Comparison(
                    gpu=gpu,
                    point=point,
                    way=way,
                    rounds=len(rounds),
                    ratio=ratio_over_rounds(pairs),
                    alone=card(list(ways[ALONE].values())),
                    among=card(list(ways[way].values())),
                )
            )
    return compared


def ratio_over_rounds(pairs: Sequence[tuple[float, float]]) -> Interval:
    """The geometric mean of the rounds' ratios, with Student's interval on the logarithm."""
    logs = [log(above / below) for above, below in pairs]
    half = float(student.ppf((1 + LEVEL) / 2, len(logs) - 1)) * stdev(logs) / len(logs) ** 0.5
    return around(mean(logs), half, half)


def card(rows: Sequence[Row]) -> Row:
    """Medians over samples; None where the card does not tell."""
    known = {
        name: [row[name] for row in rows if row.get(name) is not None]
        for name in ("latency_s", "power_w", "sm_mhz_low", "foreign_cpu_cores")
    }
    return {name: median(values) if values else None for name, values in known.items()}


def report(compared: Sequence[Comparison]) -> str:
    """A row for each point, GPU and kind of neighbours, then how many of them are disturbed."""
    lines = [
        "| point | GPU | neighbours | rounds | s alone | ratio | 95% interval | W alone, among | MHz alone, among |",
        "|---|---|---|--:|--:|--:|---|---|---|",
    ]
    for each in compared:
        star = " *" if each.is_disturbed else ""
        lines.append(
            f"| {each.point} | {each.gpu} | {WORDS[each.way]} | {each.rounds} | {each.alone['latency_s']:.4f} |"
            f" {each.ratio.estimate:.4f}{star} | {each.ratio.low:.4f} to {each.ratio.high:.4f} |"
            f" {_both(each, 'power_w')} | {_both(each, 'sm_mhz_low')} |"
        )
    disturbed = sum(each.is_disturbed for each in compared)
    return "\n".join([*lines, "", f"* {disturbed} of {len(compared)}: among neighbours another latency than alone"])


def _both(compared: Comparison, name: str) -> str:
    values = (compared.alone[name], compared.among[name])
    return ", ".join("unknown" if value is None else f"{value:.0f}" for value in values)


def read(output: Path) -> list[Row]:
    """The measurements of a folder; a last line that was cut off is left out."""
    file = output / SAMPLES
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}\n")]


def main() -> None:
    """Measure, unless the folder is to be read alone, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the folder of all measurements")
    parser.add_argument("--gpus", type=lambda names: names.split(","), help="numbers or UUIDs; all where left out")
    parser.add_argument("--seconds", type=float, default=240, help="in all (%(default)s)")
    parser.add_argument("--lead-in", type=float, default=2.0, help="seconds before a timed generation (%(default)s)")
    parser.add_argument("--tiny", action="store_true", help="two processes on the CPU, with the tiny pair")
    parser.add_argument("--only-read", action="store_true", help="measure nothing: compare what the folder holds")
    options = parser.parse_args()
    if not options.only_read:
        slots = cpu_slots(("one", "two")) if options.tiny else gpu_slots(options.gpus)
        end_s = time.monotonic() + options.seconds
        measure(slots, TINY if options.tiny else LARGE, options.output, end_s, options.lead_in)
    print(report(compare(read(options.output))))


if __name__ == "__main__":
    main()
