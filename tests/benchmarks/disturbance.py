"""Is an injected disturbance labelled, and is a quiet machine called clean? `python -m tests.benchmarks.disturbance`.

CPU: 100 samples of a fixed busy time, each while another process keeps a core busy, and 100 without it, in turn. GPU,
where there is one: ten runs of ten samples while a second process multiplies matrices on it, and ten quiet ones in
between. Labels are made as for any run. Exits with 1 when fewer than 95 of 100 are labelled.
"""

import os
import platform
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch

from benchmark.environment import current_gpu
from benchmark.verdict import BUSY_SHARE, LEAST_BUSY_CORES, judge
from benchmark.watch import Watch, other_load
from records.machine import Conditions, Label, Verdict
from records.settings import Device

CASES = 100
LEAST_LABELLED = 95
SAMPLE_S = 0.4
RUN = 10
"""Samples of one run."""
SETTLE_S = 0.6
"""More than the watch's window, so that the last case is not part of the next."""

BUSY = "while True: pass"
MULTIPLY = """
import torch
a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
print("ready", flush=True)
while True:
    a @ a
    torch.cuda.synchronize()
"""


@dataclass(frozen=True)
class Outcome:
    """Labelled samples among the disturbed and among the quiet ones, and quiet runs called clean."""

    disturbed: list[bool]
    quiet: list[bool]
    quiet_runs: int
    clean_runs: int
    why: Counter[str]

    def show(self, what: str) -> bool:
        """Print the counts; whether enough were labelled."""
        print(f"{what}: {sum(self.disturbed)} of {len(self.disturbed)} disturbed samples labelled,")
        print(f"  {sum(self.quiet)} of {len(self.quiet)} quiet samples labelled {dict(self.why)},")
        print(f"  {self.clean_runs} of {self.quiet_runs} quiet runs of {RUN} samples called clean")
        return sum(self.disturbed) * 100 >= LEAST_LABELLED * len(self.disturbed)


def main() -> None:
    """Run what this machine can."""
    cores = os.cpu_count() or 1
    bound = max(LEAST_BUSY_CORES, BUSY_SHARE * cores)
    print(
        f"python {platform.python_version()}, {cores} CPU cores, load {os.getloadavg()[0]:.2f}, bound {bound:.2f} cores"
    )
    enough = [on_cpu().show("\nbusy CPU")]
    if torch.cuda.is_available():
        print(f"\n{torch.cuda.get_device_name()}")
        enough.append(on_gpu().show("second process on the GPU"))
    sys.exit(not all(enough))


def on_cpu() -> Outcome:
    """Alternate quiet and disturbed samples; the disturbing process sleeps in between."""
    watch = Watch(None, other_load(), lambda: 0)
    quiet: list[Conditions] = []
    disturbed: list[Conditions] = []
    with _stranger(BUSY) as other:
        for _ in range(CASES):
            for samples, wake in ((quiet, signal.SIGSTOP), (disturbed, signal.SIGCONT)):
                os.kill(other, wake)
                time.sleep(SETTLE_S)
                samples.append(_sample(watch, _busy_wait))
    for name, samples in (("quiet", quiet), ("disturbed", disturbed)):
        cores = sorted(sample.foreign_cpu_cores or 0.0 for sample in samples)
        ends = ", ".join(f"{cores[place]:.2f}" for place in (0, len(cores) // 20, -len(cores) // 20, -1))
        print(f"cores that others kept busy, {name}: median {median(cores):.2f}; least, 5%, 95%, most: {ends}")
    return _outcome(disturbed, quiet, Label.busy_cpu, Device.cpu)


def on_gpu() -> Outcome:
    """Ten runs with a second process on the GPU, ten without, in turn."""
    watch = Watch(current_gpu(), other_load(), torch.cuda.memory_reserved)
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)

    def work() -> None:
        for _ in range(100):
            a @ a
        torch.cuda.synchronize()

    work()
    quiet: list[Conditions] = []
    disturbed: list[Conditions] = []
    for _ in range(CASES // RUN):
        quiet += [_sample(watch, work) for _ in range(RUN)]
        with _second_process():
            disturbed += [_sample(watch, work) for _ in range(RUN)]
        time.sleep(1.0)  # the driver takes a moment to let go of it
    print(f"the first quiet sample: {quiet[0]}")
    print(f"the first disturbed one: {disturbed[0]}")
    print(f"second processes seen: {sorted({str(sample.foreign_processes) for sample in disturbed})}")
    return _outcome(disturbed, quiet, Label.foreign_process, Device.cuda)


def _outcome(disturbed: list[Conditions], quiet: list[Conditions], label: Label, device: Device) -> Outcome:
    """Labels of runs of ten; where only memory tells, a disturbed run is judged beside the quiet one before it."""
    clean, why = 0, Counter[str]()
    labelled: dict[bool, list[bool]] = {True: [], False: []}
    for start in range(0, len(quiet), RUN):
        before, after = quiet[start : start + RUN], disturbed[start : start + RUN]
        labels, watched = judge(before, device)
        clean += watched.verdict is Verdict.clean
        why.update(label for found in labels for label in found)
        labelled[False] += [bool(set(found) - {Label.power_cap}) for found in labels]
        both, _ = judge([*before, *after], device)
        labelled[True] += [label in found for found in both[RUN:]]
    return Outcome(labelled[True], labelled[False], len(quiet) // RUN, clean, why)


def _sample(watch: Watch, work: Callable[[], None]) -> Conditions:
    with watch() as seen:
        work()
    return seen.conditions


def _busy_wait() -> None:
    end = time.perf_counter() + SAMPLE_S
    while time.perf_counter() < end:
        pass


@contextmanager
def _stranger(script: str) -> Iterator[int]:
    """The pid of a process that is no child of this one, whose load would count as its own."""
    start = ["sh", "-c", '"$0" -c "$1" >/dev/null 2>&1 & echo $!', sys.executable, script]
    pid = int(subprocess.run(start, stdout=subprocess.PIPE, text=True, check=True).stdout)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def _second_process() -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", MULTIPLY], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            other.stdout.readline()
            yield
        finally:
            other.kill()


if __name__ == "__main__":
    main()
