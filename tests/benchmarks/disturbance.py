"""Is an injected disturbance labelled, and is a quiet machine called clean? `python -m tests.benchmarks.disturbance`.

CPU: 100 samples of a fixed busy time, each while another process keeps a core busy, and 100 without it, in turn. GPU,
where there is one: ten runs of ten samples while a second process multiplies matrices on it, and ten quiet ones in
between, each after the last process has left the driver's list. Labels are made as for any run. `--only gpu` or
`--only cpu` runs one half. Exits with 1 when fewer than 95 of 100 disturbed samples are labelled.
"""

import argparse
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

from benchmark.hardware.environment import current_gpu
from benchmark.hardware.monitor import Watch, other_load
from benchmark.hardware.nvml import Gpu
from benchmark.hardware.verdict import BUSY_SHARE, LEAST_BUSY_CORES, judge
from crossover.records.machine import Conditions, Label, Verdict
from crossover.records.settings import Device
from tests.benchmarks.halves import halves
from tests.benchmarks.second_process import MIB, Leaving, Occupants, second_processes

CASES = 100
LEAST_LABELLED = 95
SAMPLE_S = 0.4
RUN = 10
"""Samples of one run."""
SETTLE_S = 0.6
"""More than the watch's window, so that the last case is not part of the next."""

BUSY = "while True: pass"
WARMUP = 3
"""Discarded before each run of ten on a GPU, as before any run's samples."""


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
        why = ", ".join(f"{label} {count}" for label, count in sorted(self.why.items())) or "no label"
        print(f"  {sum(self.quiet)} of {len(self.quiet)} quiet samples labelled ({why}),")
        print(f"  {self.clean_runs} of {self.quiet_runs} quiet runs of {RUN} samples called clean")
        return sum(self.disturbed) * 100 >= LEAST_LABELLED * len(self.disturbed)


def main() -> None:
    """Run what this machine can."""
    chosen = halves(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter))
    cores = os.cpu_count() or 1
    bound = max(LEAST_BUSY_CORES, BUSY_SHARE * cores)
    load = os.getloadavg()[0]
    print(
        f"python {platform.python_version()}, {cores} CPU cores, load {load:.2f}, bound {bound:.2f} cores", flush=True
    )
    enough = [on_cpu().show("\nbusy CPU")] if chosen.cpu else []
    if chosen.gpu:
        print(f"\n{torch.cuda.get_device_name()}", flush=True)
        gpu = current_gpu()
        if gpu is None:
            sys.exit("NVML does not answer here, so no other process on the GPU can be seen")
        enough.append(on_gpu(gpu).show("second process on the GPU"))
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
        ends = ", ".join(f"{cores[index]:.2f}" for index in (0, len(cores) // 20, -len(cores) // 20, -1))
        print(f"cores that others kept busy, {name}: median {median(cores):.2f}; least, 5%, 95%, most: {ends}")
    return _outcome(disturbed, quiet, Label.busy_cpu, Device.cpu)


def on_gpu(gpu: Gpu) -> Outcome:
    """Ten runs with a second process on the GPU, ten without, in turn."""
    watch = Watch(gpu, other_load(), torch.cuda.memory_reserved)
    a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    began_s = time.monotonic()

    def work() -> None:
        for _ in range(100):
            a @ a
        torch.cuda.synchronize()

    def samples() -> list[Conditions]:
        for _ in range(WARMUP):
            work()
        return [_sample(watch, work) for _ in range(RUN)]

    quiet: list[Conditions] = []
    disturbed: list[Conditions] = []
    work()
    alone, leaving = _occupants(gpu), Leaving(lambda: _occupants(gpu))
    with second_processes(CASES // RUN) as others:
        for other in others:
            quiet += samples()
            other.begin()
            disturbed += samples()
            other.end()
            still_there = leaving.wait(alone)
            if still_there:
                print(still_there)
    print(f"alone NVML tells of {alone}; it did so again, seconds after each second process had ended:")
    print(f"  {', '.join(f'{waited_s:.2f}' for waited_s in leaving.waited_s)}")
    print(f"the first quiet sample: {_numbers(quiet[0])}")
    print(f"the first disturbed one: {_numbers(disturbed[0])}")
    print(f"second processes seen: {', '.join(sorted({str(sample.foreign_processes) for sample in disturbed}))}")
    print(f"all of it took {time.monotonic() - began_s:.0f} s")
    return _outcome(disturbed, quiet, Label.foreign_process, Device.cuda)


def _occupants(gpu: Gpu) -> Occupants:
    processes = gpu.processes()
    return Occupants(None if processes is None else len(processes), gpu.used_bytes())


def _outcome(disturbed: list[Conditions], quiet: list[Conditions], label: Label, device: Device) -> Outcome:
    """Labels of runs of ten; where only memory tells, a disturbed run is judged beside the quiet one before it."""
    clean, why = 0, Counter[str]()
    labelled: dict[bool, list[bool]] = {True: [], False: []}
    for start in range(0, len(quiet), RUN):
        before, after = quiet[start : start + RUN], disturbed[start : start + RUN]
        labels, watched = judge(before, device)
        clean += watched.verdict is Verdict.clean
        disturbing = [set(seen) - {Label.power_cap} for seen in labels]
        why.update(label.value for seen in disturbing for label in seen)
        for index, (seen, sample) in enumerate(zip(disturbing, before, strict=True), 1):
            if seen:
                print(f"quiet run {start // RUN + 1}, sample {index}: {', '.join(sorted(seen))}: {_numbers(sample)}")
        labelled[False] += [bool(seen) for seen in disturbing]
        both, _ = judge([*before, *after], device)
        labelled[True] += [label in seen for seen in both[RUN:]]
    return Outcome(labelled[True], labelled[False], len(quiet) // RUN, clean, why)


def _numbers(sample: Conditions) -> str:
    """What labels are made from."""
    held = "unknown" if sample.foreign_gpu_bytes is None else f"{sample.foreign_gpu_bytes / MIB:.0f} MiB"
    cores = "unknown" if sample.foreign_cpu_cores is None else f"{sample.foreign_cpu_cores:.2f}"
    if sample.sm_mhz_after is None:
        return f"others' cores {cores}"
    return (
        f"SM {sample.sm_mhz_low} to {sample.sm_mhz_high} MHz, {sample.sm_mhz_before} before and {sample.sm_mhz_after}"
        f" after; memory {sample.memory_mhz_low} to {sample.memory_mhz_high} MHz; throttled by"
        f" {', '.join(sample.throttle) or 'nothing'}; other processes {sample.foreign_processes}, memory not this"
        f" allocator's {held}; others' cores {cores}"
    )


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


if __name__ == "__main__":
    main()
