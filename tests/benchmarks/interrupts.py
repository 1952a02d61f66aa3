"""Stop the first command in a new folder at moments spread over its first seconds; the folder must stay usable.

`python -m tests.benchmarks.interrupts [--moments 8] [--over-s 10]`. By default the moments spread over the time that
the command takes here when nobody stops it. Each folder is used once more, and that must measure its point.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = (
    sys.executable,
    "-m",
    "benchmark",
    "model=tiny_llama",
    "length=16",
    "prompts.count=1",
    "repeats=1",
    "judge=none",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=8, help="for each of SIGINT and SIGKILL")
    parser.add_argument("--over-s", type=float, help="spread the moments over so many seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        over_s = options.over_s or undisturbed_s(Path(folder) / "whole")
        print(f"moments over {over_s:.1f} s")
        usable = 0
        for which in (signal.SIGINT, signal.SIGKILL):
            for index in range(options.moments):
                output_dir = Path(folder) / f"{which.name}-{index}"
                usable += is_usable(output_dir, which, over_s * (index + 1) / (options.moments + 1))
        print(f"{usable} of {2 * options.moments} folders are usable")
    sys.exit(usable != 2 * options.moments)


def undisturbed_s(output_dir: Path) -> float:
    began = time.monotonic()
    subprocess.run([*COMMAND, f"output_dir={output_dir}"], check=True, capture_output=True)
    return time.monotonic() - began


def is_usable(output_dir: Path, which: signal.Signals, after_s: float) -> bool:
    """Whether the command measures its point in a folder where it was stopped before."""
    command = [*COMMAND, f"output_dir={output_dir}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        time.sleep(after_s)
        first.send_signal(which)
    left = sorted(path.name for path in output_dir.glob("*")) if output_dir.exists() else []
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    synced = subprocess.run(
        [sys.executable, "-m", "benchmark.sync", str(output_dir)], capture_output=True, text=True, check=False
    )
    records = len(list(output_dir.glob("records/*.json")))
    fine = second.returncode == 0 and synced.returncode == 0 and records > 0
    last = (second.stdout + second.stderr).strip().splitlines()[-1:]
    print(f"{which.name:8} after {after_s:5.1f} s: ended {first.returncode}, left {left}: {'fine' if fine else last}")
    return fine


if __name__ == "__main__":
    main()
