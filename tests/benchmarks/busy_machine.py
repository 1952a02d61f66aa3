"""How long a part of the demo takes on an idle machine, and beside one busy process a core.

    python -m tests.benchmarks.busy_machine                    # four points of sweep=demo
    python -m tests.benchmarks.busy_machine --whole            # all twelve
    python -m tests.benchmarks.busy_machine --threads 2        # with a number of threads of your own

The busy processes count in a loop, each on a core of its own, and end by themselves. The machine has to be idle
otherwise: the table says how many processes were running before each of the two.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.paths import ROOT

ALLOWED = 3.0
"""The most that the time beside busy processes may be, in idle times."""
LIMIT_S = 900.0
"""When a command is given up, and when a busy process ends at the latest."""
COUNT = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nwhile time.monotonic() < end: sum(range(10000))"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What a command took: seconds of the clock and of the CPU, and the load of the machine before it."""

    wall_s: float
    cpu_s: float
    load: float


def take(arguments: list[str]) -> Taken:
    """Run a sweep in a folder of its own and measure it. It has its time limit and must succeed."""
    load, cpu = os.getloadavg()[0], os.times()
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "benchmark", *arguments, "tracking=none"],
            cwd=folder,
            env=environment | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=LIMIT_S,
        )
        wall_s = time.monotonic() - began
    after = os.times()
    used = after.children_user + after.children_system - cpu.children_user - cpu.children_system
    return Taken(wall_s=wall_s, cpu_s=used, load=load)


@contextmanager
def busy(cores: list[int]) -> Iterator[None]:
    """Keep each of these cores busy by a process of its own."""
    command = [sys.executable, "-c", COUNT, str(LIMIT_S)]
    processes = []
    try:
        for core in cores:
            processes.append(subprocess.Popen(command))
            os.sched_setaffinity(processes[-1].pid, {core})
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> int:
    """Print both times. Returns 1 when the second is more than three times the first."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.busy_machine", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="all points of the demo")
    parser.add_argument("--threads", type=int, help="hardware.threads")
    options = parser.parse_args()
    arguments = ["sweep=demo", "hardware=cpu", *([] if options.whole else ["steps=16"])]
    arguments += [] if options.threads is None else [f"hardware.threads={options.threads}"]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = str(Path(cache))
        cores = sorted(os.sched_getaffinity(0))
        idle = take(arguments)
        with busy(cores):
            beside = take(arguments)
    print(f"{' '.join(arguments)} on {len(cores)} cores")
    for name, each in (("idle", idle), (f"beside {len(cores)} busy processes", beside)):
        print(f"{name}: {each.wall_s:.1f} s, {each.cpu_s:.1f} s of CPU; load before: {each.load:.1f}")
    ratio = beside.wall_s / idle.wall_s
    print(f"{ratio:.2f} times as long; at most {ALLOWED:g} is allowed")
    return int(ratio > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
