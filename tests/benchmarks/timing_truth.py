"""Reported latency against an independent measure: `python -m tests.benchmarks.timing_truth [--weights random]`.

On the CPU a fake decoder keeps the processor busy for a known time, which it reads from a clock that the program does
not use; the watch's cost is what a fixed amount of Python takes with it and without. On a GPU, where there is one, each
timed generation of real runs is traced by torch.profiler: the time from the host's call that records the start event
to the end of the last activity on the device, by CUPTI's timestamps. `--only gpu` or `--only cpu` runs one half.
Exits with 1 when a difference is 1% or more.
"""

import argparse
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from benchmark.config.convert import config_of, to_run
from benchmark.decoders.interface import Batch, Decoder, Generation, Phase, Phases, make_batch
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.hardware.clock import Clock, HostClock
from benchmark.hardware.environment import gpu_count
from benchmark.hardware.monitor import Watch, other_load
from benchmark.hardware.nvml import Reading
from benchmark.measurement import measure
from benchmark.measurement.measure import Instruments, Timed, time_once
from benchmark.measurement.peak_memory import Peaks
from benchmark.measurement.stopping import Rule
from tests.benchmarks.halves import halves
from tests.benchmarks.tracing import Traced, TraceError, traced_generation

ALLOWED = 0.01
KNOWN = ((1, 0.02), (4, 0.05), (64, 0.002), (16, 0.0375))
"""Steps, and seconds of each: 20 ms to 600 ms a generation."""
SAMPLES = 20
PAIRS = 15
TINY = ("model=tiny_llada steps=16", "model=tiny_llama", "model=tiny_llada steps=16 batch=8")
LARGE = ("model=llada steps=8 length=512", "model=llama length=256", "model=llada steps=4 batch=8 length=1024")


@dataclass
class KnownDecoder:
    """Busy for `step_s` a step, by a clock of its own; keeps what each generation really took."""

    steps: int
    step_s: float

    def __post_init__(self) -> None:
        self.took_s: list[float] = []

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        del batch, output_tokens
        return 0.0

    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        done = Generation(tokens_BN=torch.zeros(len(batch.tokens_BP), output_tokens), forward_passes=self.steps)
        start = now = _raw_s()
        for step in range(1, self.steps + 1):
            while now < start + step * self.step_s:
                now = _raw_s()
            phases.mark(Phase.step)
        self.took_s.append(_raw_s() - start)
        return done


class SlowCounter:
    """A GPU whose every reading takes 2 ms, in which other threads go on, as NVML's do; keeps its threads' CPU time."""

    def __init__(self) -> None:
        self.spent_s: dict[int, float] = {}

    def reading(self) -> Reading:
        time.sleep(0.002)
        self.spent_s[threading.get_ident()] = time.thread_time()
        return Reading(sm_mhz=1, memory_mhz=1, throttle=(), temperature_c=1, power_w=1.0, performance_state=0)

    def used_bytes(self) -> int:
        return 0

    def processes(self) -> tuple[int, ...]:
        return (os.getpid(),)


@contextmanager
def unpeaked() -> Iterator[Peaks]:
    yield Peaks()


def main() -> None:
    """Print every comparison; fail when one is off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", choices=("tiny", "random"), default="tiny", help="random: the 8B pair too")
    chosen = halves(parser)
    print(f"python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} CPU cores", flush=True)
    differences = [*known_durations(), watch_cost()] if chosen.cpu else []
    if chosen.gpu:
        print(
            f"\n{torch.cuda.get_device_name()}, traced: {', '.join(each.name for each in traced_activities())}",
            flush=True,
        )
        large = chosen.options.weights == "random"
        differences += [
            traced_run(line) for line in (*TINY, *(f"{line} weights=random" for line in (LARGE if large else ())))
        ]
    print(f"\nlargest difference {max(differences):.3%}, allowed {ALLOWED:.0%}")
    sys.exit(max(differences) >= ALLOWED)


def known_durations() -> Iterator[float]:
    """The median difference for each known duration."""
    print("\nfake decoder on the CPU: known ms, reported ms (medians), difference of each sample: median, largest")
    for steps, step_s in KNOWN:
        decoder = KnownDecoder(steps, step_s)
        watch = Watch(None, other_load(), lambda: 0)
        measurement = measure.measure(
            decoder,
            lambda _: make_batch([[1]], [0], torch.device("cpu")),
            4,
            instruments=Instruments(clock=HostClock(), peaks=unpeaked, watch=watch),
            rule=Rule(least=SAMPLES, stopping=None),
            warmup=1,
            report=lambda *_: None,
        )
        reported = [timed.timing.latency_s for timed in measurement.samples]
        known = decoder.took_s[-SAMPLES:]
        off = [abs(latency / truth - 1) for latency, truth in zip(reported, known, strict=True)]
        by_steps = [abs(sum(t.timing.step_s) / t.timing.latency_s - 1) for t in measurement.samples]
        print(
            f"{steps:3} x {step_s * 1e3:5.2f} ms: {median(known) * 1e3:8.3f}  {median(reported) * 1e3:8.3f}"
            f"  {median(off):.4%}  {max(off):.4%}; sum of steps against the whole {median(by_steps):.4%}"
        )
        yield median(off)


def watch_cost() -> float:
    """The CPU time of the thread that watches, over the time of the samples: as long it can keep Python from us.

    Times with it and without are printed too, but on a busy machine they differ by more than that.
    """
    clock, batch, counter = HostClock(), make_batch([[1]], [0], torch.device("cpu")), SlowCounter()
    watch = Watch(counter, other_load(), lambda: 0)  # type: ignore[arg-type]  # it asks for no more than that
    bare, watched, spent = [], [], 0.0
    for _ in range(PAIRS):
        bare.append(time_once(_Counting(), batch, 1, clock).timing.latency_s)
        counter.spent_s.clear()
        with watch():
            watched.append(time_once(_Counting(), batch, 1, clock).timing.latency_s)
        spent += sum(cpu_s for thread, cpu_s in counter.spent_s.items() if thread != threading.get_ident())
    cost = spent / sum(watched)
    print(
        f"\nthe watch's thread: {spent * 1e3:.2f} ms of CPU time in {sum(watched):.1f} s of samples, {cost:.4%};"
        f"\n  the same work of Python's without it: fastest {min(bare):.3f} s, median {median(bare):.3f} s;"
        f" with it: {min(watched):.3f} s, {median(watched):.3f} s"
    )
    return cost


class _Counting:
    """Work of Python's own, which a thread of the same process can slow down."""

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        del batch, output_tokens
        return 0.0

    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        del phases
        total = 0
        for value in range(40_000_000):
            total += value
        return Generation(tokens_BN=torch.zeros(len(batch.tokens_BP), output_tokens), forward_passes=1)


def traced_run(overrides: str) -> float:
    """The median difference between latency and trace over the timed samples of one run."""
    pairs: list[tuple[float, Traced]] = []
    activities = traced_activities()

    def traced(
        decoder: Decoder,
        batch: Batch,
        output_tokens: int,
        clock: Clock,
        settle_s: float | None = None,
        *,
        runs_in: bool = True,
    ) -> Timed:
        with profile(activities=activities) as profiler:
            timed = time_once(decoder, batch, output_tokens, clock, settle_s, runs_in=runs_in)
        pairs.append((timed.timing.latency_s, traced_generation(profiler)))
        return timed

    words = [*overrides.split(), "repeats=5", "prompts.count=5", "judge=none", "hardware=gpu"]
    measure.time_once = traced
    try:
        record = execute(
            to_run(config_of(words), gpu_count), sweep="truth", models=ModelCache(), report=lambda *_: None
        )
    finally:
        measure.time_once = time_once
    if record.measurement is None:
        print(f"{overrides}: {record.failure}", flush=True)
        return 1.0
    return _compared(record.name, pairs[-len(record.measurement.samples) :])


@cache
def traced_activities() -> tuple[ProfilerActivity, ...]:
    """The GPU's alone, which slow the host least, where their trace has the host's CUDA calls; else the CPU's too."""
    torch.zeros(1, device="cuda")
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        torch.cuda.synchronize()
        torch.cuda.Event(enable_timing=True).record()
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()
    try:
        traced_generation(profiler)
    except TraceError:
        return ProfilerActivity.CPU, ProfilerActivity.CUDA
    return (ProfilerActivity.CUDA,)


def _compared(name: str, samples: Sequence[tuple[float, Traced]]) -> float:
    """Print reported latencies beside traces, and both ways to see where a trace begins; the median difference."""
    off = [abs(latency / trace.seconds - 1) for latency, trace in samples]
    from_kernel = [abs(latency / trace.from_first_activity_s - 1) for latency, trace in samples]
    reported, whole, kernels = (
        median(each) * 1e3
        for each in zip(*((s, trace.seconds, trace.from_first_activity_s) for s, trace in samples), strict=True)
    )
    begins = ", ".join(sorted({trace.begin for _, trace in samples}))
    took_ms = median(trace.begin_s for _, trace in samples) * 1e3
    print(
        f"{name}: reported {reported:.3f} ms, trace {whole:.3f} ms from {begins} on (a call of {took_ms:.3f} ms),"
        f" difference median {median(off):.4%}, largest {max(off):.4%};\n"
        f"  trace from the first activity on the GPU on {kernels:.3f} ms, difference median {median(from_kernel):.4%}",
        flush=True,
    )
    return median(off)


def _raw_s() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


if __name__ == "__main__":
    main()
