"""How long all but measuring takes: `python -m tests.benchmarks.machinery [start] [points] [resume] [dispatch]`.

`--root` names another checkout to measure, such as an older commit's, with the same script; `dispatch` needs a SLURM.
Each figure is the median of `--times`, with all values beside it, and the load of the machine before and after.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.paths import ROOT

TINY = ("prompts.count=1", "judge=none", "repeats=1", "length=32", "tracking=none")
POINTS = 20
DISPATCHED = 1000
RECORDS = 10_000
NAME = "crossover-machinery"
"""What its jobs are called, so that it counts and cancels no others of whoever runs it."""

UNTIL_WARM_UP = """
import os, sys, time
from benchmark.execution import display
def report(self, stage, done, total):
    if stage == "warm-up":
        print("WARM", time.time(), flush=True)
        os._exit(0)
display.RunDisplay.report = report
from benchmark.cli.main import main
main()
"""

CHECK = """
import sys, time
from pathlib import Path
from benchmark.config.settings import Rerun
from benchmark.dispatch.ledger import ExpectedEnvironment
from benchmark.dispatch.resume import ResumePolicy
from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
keys = set(Path(sys.argv[2]).read_text().split())
began = time.perf_counter()
index = RecordIndex(Journal(output_dir=Path(sys.argv[1])))
index.refresh(keys)
records = index.of(keys)
policy = ResumePolicy(sweep="x", began="2999", rerun=Rerun.none, skip_dominated=False, conditions=ExpectedEnvironment())
assert len(policy.done(records)) == len(keys)
print("TOOK", time.perf_counter() - began)
"""

WRITE = """
import sys
from dataclasses import replace
from pathlib import Path
from benchmark.store.journal import Journal
from tests.factories import a_record, a_run
journal = Journal(output_dir=Path(sys.argv[1]))
journal.prepare()
keys = []
for seed in range(int(sys.argv[3])):
    record = a_record(a_run(temperature=1.0, seed=seed))
    journal.path(record.key, record.started_at).write_text(record.to_json())
    keys.append(record.key)
Path(sys.argv[2]).write_text(" ".join(keys))
"""


def main() -> None:
    """Measure what was asked for."""
    options = _options()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for name in options.what or list(FIGURES):
        title, measure = FIGURES[name]
        before = os.getloadavg()[0]
        values = [measure(options.root) for _ in range(options.times)]
        shown = ", ".join(f"{value:.2f}" for value in values)
        print(f"{title}: {statistics.median(values):.2f} s ({shown}; load {before:.1f} to {os.getloadavg()[0]:.1f})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*FIGURES, []], help="all unless named")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure")
    parser.add_argument("--times", type=int, default=3)
    return parser.parse_args()


def start(root: Path) -> float:
    """From the program's start to the first warm-up of the tiny pair."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        said = _run(root, folder, "-c", UNTIL_WARM_UP, "steps=4", *TINY)
        return float(said.split("WARM")[1].split()[0]) - began


def points(root: Path) -> float:
    """Per point, what neither decodes nor loads: the time between two points' ends less what decoding took."""
    with tempfile.TemporaryDirectory() as folder:
        grid = ("-m", f"batch=range(1,{POINTS + 1})", "steps=1", "warmup=1")
        _run(root, folder, "-m", "benchmark", *grid, *TINY)
        records = sorted(_records(Path(folder)), key=lambda record: record["started_at"])
    assert len(records) == POINTS
    ends = [datetime.fromisoformat(record["finished_at"]) for record in records]
    decoding = [_decoding_s(record["measurement"]) for record in records[1:]]
    return ((ends[-1] - ends[0]).total_seconds() - sum(decoding)) / (POINTS - 1)


def resume(root: Path) -> float:
    """To find out which of ten thousand points are done."""
    with tempfile.TemporaryDirectory() as folder:
        keys = str(Path(folder) / "keys")
        _run(root, str(ROOT), "-c", WRITE, folder, keys, str(RECORDS))
        return float(_run(root, folder, "-c", CHECK, folder, keys).split("TOOK")[1])


def dispatch(root: Path) -> float:
    """From the command until SLURM has a thousand jobs, held so that none begins."""
    grid = ("-m", "model=tiny_llada", f"batch=range(1,{DISPATCHED + 1})", "steps=1")
    old = not (root / "conf" / "hardware" / "slurm_cpu.yaml").exists()
    hardware = OLD_HARDWARE if old else ("hardware=slurm_cpu", "detach=true")
    hold = "+hydra.launcher.additional_parameters.hold=true"
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        command = [sys.executable, "-m", "benchmark", *grid, *TINY, *hardware, hold, f"hydra.launcher.name={NAME}"]
        with subprocess.Popen(command, cwd=folder, env=_environment(root), stdout=subprocess.DEVNULL) as process:
            while _queued() < DISPATCHED:
                time.sleep(0.5)
            took = time.time() - began
            if old:
                process.kill()  # it would wait for the jobs
        subprocess.run(["scancel", "--me", f"--name={NAME}"], check=True)
        while _queued():
            time.sleep(0.5)
    return took


OLD_HARDWARE = (
    *("hydra/launcher=submitit_slurm", "hardware.remote=true", "hydra.launcher.timeout_min=30"),
    *("hydra.launcher.mem_gb=1", "hydra.launcher.cpus_per_task=1"),
)

FIGURES: dict[str, tuple[str, Callable[[Path], float]]] = {
    "start": ("start of the program to the first warm-up", start),
    "points": ("overhead of a grid point", points),
    "resume": (f"resume check over {RECORDS:,} records", resume),
    "dispatch": (f"dispatch of {DISPATCHED:,} points", dispatch),
}


def _queued() -> int:
    done = subprocess.run(["squeue", "-h", "-r", "--me", f"--name={NAME}"], capture_output=True, text=True, check=True)
    return len(done.stdout.splitlines())


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    for file in (folder / "outputs" / "records").glob("*.json"):
        yield json.loads(file.read_text())


def _decoding_s(measurement: dict[str, Any]) -> float:
    """Warm-up, the memory pass among it, and samples; without warm-up, a memory pass that is as long as a sample."""
    samples = [sample["host_latency_s"] for sample in measurement["samples"]]
    return float(sum(measurement["warmup_s"] or [statistics.mean(samples)]) + sum(samples))


def _environment(root: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def _run(root: Path, folder: str, *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=_environment(root), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


if __name__ == "__main__":
    main()
