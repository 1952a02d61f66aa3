"""The program in a process of its own, and the records that it leaves."""

import os
import subprocess
import sys
from pathlib import Path

from crossover.records.load import load
from crossover.records.record import Record
from tests.paths import ROOT

QUICK = ("warmup=0", "repeats=1", "prompts.count=1", "tracking=none", "hardware=cpu")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmark", *arguments]


def benchmark(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=200, check=False
    )


def records(folder: Path) -> tuple[Record, ...]:
    loaded = load((folder / "outputs" / "records").glob("*.json"))
    assert not loaded.rejected
    return loaded.records
