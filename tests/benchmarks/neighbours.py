"""Whether GPUs of one machine disturb each other: each measures alone, then all at once, by turns.

`python -m tests.benchmarks.neighbours --output FOLDER` needs a machine with at least two GPUs. Each round starts one
command for each GPU, the first time one after another and the second time all together. A point's latency on a GPU
among busy neighbours is divided by that of the same point on the same GPU alone; the interval is over the rounds, each
of which is a process of its own. Random weights of the 8B pair need no download.
"""

import argparse
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.statistics.intervals import Interval
from analysis.statistics.timing import latency, ratio_interval
from crossover.records.load import find, load
from crossover.records.record import Measurement, Record

GRID = ("model=llama,llada", "weights=random", "steps=8", "batch=1,8", "length=512", "judge=none", "tracking=none")
ALONE, TOGETHER = "alone", "together"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One point on one GPU: its latency among neighbours over its latency alone."""

    gpu: str
    name: str
    ratio: Interval

    @property
    def is_disturbed(self) -> bool:
        """Whether the interval leaves 1 out."""
        return not self.ratio.low <= 1 <= self.ratio.high


def command(gpu: str, folder: Path, grid: Sequence[str]) -> list[str]:
    """The command that measures the grid on one GPU."""
    sweep = [*grid, "hardware=local_gpus", f"hardware.gpus={gpu}", f"output_dir={folder}"]
    return [sys.executable, "-m", "benchmark", "-m", *sweep]


def measure(gpus: Sequence[str], folder: Path, grid: Sequence[str], rounds: int) -> None:
    """Measure on each GPU alone, then on all at once, `rounds` times."""
    for number in range(rounds):
        for gpu in gpus:
            subprocess.run(command(gpu, folder / ALONE / gpu / str(number), grid), check=True)
        commands = [command(gpu, folder / TOGETHER / gpu / str(number), grid) for gpu in gpus]
        processes = [subprocess.Popen(each) for each in commands]
        if failed := [gpu for gpu, process in zip(gpus, processes, strict=True) if process.wait()]:
            raise SystemExit(f"the commands for GPU {', '.join(failed)} failed side by side")


def compare(folder: Path) -> list[Comparison]:
    """Every point on every GPU, from the records in a folder that `measure` filled."""
    found: dict[tuple[str, str], dict[str, list[Measurement]]] = defaultdict(lambda: defaultdict(list))
    for way in (ALONE, TOGETHER):
        for gpu in sorted((folder / way).iterdir()):
            for record in measured(gpu):
                assert record.measurement is not None
                found[gpu.name, record.name][way].append(record.measurement)
    compared = (comparison(*point, ways[ALONE], ways[TOGETHER]) for point, ways in sorted(found.items()))
    return [each for each in compared if each is not None]


def measured(folder: Path) -> list[Record]:
    """The records below a folder that have a measurement."""
    files = [file for output in sorted(folder.iterdir()) for file in find(output)]
    return [record for record in load(files).records if record.measurement is not None]


def comparison(gpu: str, name: str, alone: list[Measurement], together: list[Measurement]) -> Comparison | None:
    """One point on one GPU; None where there is no latency, or no interval, of both ways."""
    above, below = latency(together), latency(alone)
    ratio = None if above is None or below is None else ratio_interval(above, below)
    return None if ratio is None else Comparison(gpu=gpu, name=name, ratio=ratio)


def report(compared: Sequence[Comparison]) -> str:
    """A line for each point and GPU, then how many of them are disturbed."""
    lines = [
        f"GPU {each.gpu}  {each.name:40}  {each.ratio.estimate:.3f} [{each.ratio.low:.3f}, {each.ratio.high:.3f}]"
        f"{'  *' if each.is_disturbed else ''}"
        for each in compared
    ]
    disturbed = sum(each.is_disturbed for each in compared)
    return "\n".join([*lines, f"* {disturbed} of {len(compared)}: among neighbours another latency than alone"])


def main() -> None:
    """Measure, unless the folder is to be read alone, and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="the folder of all records")
    parser.add_argument("--gpus", default="0,1", help="numbers or UUIDs (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--only-read", action="store_true", help="measure nothing: compare what the folder holds")
    parser.add_argument("grid", nargs="*", default=GRID, help="overrides of the grid")
    options = parser.parse_args()
    if not options.only_read:
        measure(options.gpus.split(","), options.output, options.grid, options.rounds)
    print(report(compare(options.output)))


if __name__ == "__main__":
    main()
