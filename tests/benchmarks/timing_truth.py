"""Reported latency against an independent measure: `python -m tests.benchmarks.timing_truth [--weights random]`.

On the CPU a fake decoder keeps the processor busy for a known time, which it reads from a clock that the program does
not use; the watch's cost is what a fixed amount of Python takes with it and without. On a GPU, where there is one, each
timed generation of real runs is traced by torch.profiler: the time from the first kernel's start to the last one's end.
Exits with 1 when a difference is 1% or more.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch.profiler import ProfilerActivity, profile

from benchmark import measure
from benchmark.clock import Clock, HostClock
from benchmark.config import config_of, to_run
from benchmark.decoders.interface import Batch, Decoder, Generation, Phase, Phases, make_batch
from benchmark.environment import gpu_count
from benchmark.measure import Instruments, Timed, time_once
from benchmark.memory import Peaks
from benchmark.nvml import Reading
from benchmark.pipeline import execute
from benchmark.profiling import device_spans
from benchmark.shelf import Shelf
from benchmark.stopping import Rule
from benchmark.watch import Watch, other_load

ALLOWED = 0.01
KNOWN = ((1, 0.02), (4, 0.05), (64, 0.002), (16, 0.0375))
"""Steps, and seconds of each: 20 ms to 600 ms a generation."""
SAMPLES = 20
PAIRS = 40
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
    """A GPU whose every reading takes 2 ms, in which other threads go on, as NVML's do."""

    def reading(self) -> Reading:
        time.sleep(0.002)
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
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", choices=("tiny", "random"), default="tiny", help="random: the 8B pair too")
    large = parser.parse_args().weights == "random"
    print(f"python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} CPU cores")
    worst = max([*known_durations(), watch_cost()])
    if torch.cuda.is_available():
        print(f"\n{torch.cuda.get_device_name()}")
        commands = [*TINY, *(f"{line} weights=random" for line in (LARGE if large else ()))]
        worst = max([worst, *(traced_run(line) for line in commands)])
    print(f"\nlargest difference {worst:.3%}, allowed {ALLOWED:.0%}")
    sys.exit(worst >= ALLOWED)


def known_durations() -> Iterator[float]:
    """The median difference for each known duration."""
    print("\nfake decoder on the CPU: known ms, reported ms (medians), difference of each sample: median, largest")
    for steps, step_s in KNOWN:
        decoder = KnownDecoder(steps, step_s)
        watch = Watch(None, other_load(), lambda: 0)
        found = measure.measure(
            decoder,
            lambda _: make_batch([[1]], [0], torch.device("cpu")),
            4,
            instruments=Instruments(clock=HostClock(), peaks=unpeaked, watch=watch),
            rule=Rule(least=SAMPLES, stopping=None),
            warmup=1,
            report=lambda *_: None,
        )
        reported = [timed.timing.latency_s for timed in found.samples]
        known = decoder.took_s[-SAMPLES:]
        off = [abs(latency / truth - 1) for latency, truth in zip(reported, known, strict=True)]
        by_steps = [abs(sum(t.timing.step_s) / t.timing.latency_s - 1) for t in found.samples]
        print(
            f"{steps:3} x {step_s * 1e3:5.2f} ms: {median(known) * 1e3:8.3f}  {median(reported) * 1e3:8.3f}"
            f"  {median(off):.4%}  {max(off):.4%}; sum of steps against the whole {median(by_steps):.4%}"
        )
        yield median(off)


def watch_cost() -> float:
    """How much longer a fixed amount of Python takes while the watch's thread asks a slow counter.

    The fastest of each, since whatever else the machine does only adds.
    """
    clock, batch = HostClock(), make_batch([[1]], [0], torch.device("cpu"))
    watch = Watch(SlowCounter(), other_load(), lambda: 0)  # type: ignore[arg-type]  # it asks for no more than that
    bare, watched = [], []
    for _ in range(PAIRS):
        bare.append(time_once(_Counting(), batch, 1, clock).timing.latency_s)
        with watch():
            watched.append(time_once(_Counting(), batch, 1, clock).timing.latency_s)
    cost = min(watched) / min(bare) - 1
    print(
        f"\nthe watch's thread, {PAIRS} pairs of the same work: fastest without {min(bare):.4f} s, with"
        f" {min(watched):.4f} s, {cost:+.3%}; medians {median(bare):.4f} and {median(watched):.4f} s"
    )
    return max(0.0, cost)


class _Counting:
    """Work of Python's own, which a thread of the same process can slow down."""

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        del batch, output_tokens
        return 0.0

    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        del phases
        total = 0
        for value in range(12_000_000):
            total += value
        return Generation(tokens_BN=torch.zeros(len(batch.tokens_BP), output_tokens), forward_passes=1)


def traced_run(overrides: str) -> float:
    """The median difference between latency and trace over the timed samples of one run."""
    pairs: list[tuple[float, float]] = []

    def traced(decoder: Decoder, batch: Batch, output_tokens: int, clock: Clock) -> Timed:
        with profile(activities=[ProfilerActivity.CUDA]) as found:
            timed = time_once(decoder, batch, output_tokens, clock)
        spans, _ = device_spans(found)
        first, last = min(span.start_ns for span in spans), max(span.end_ns for span in spans)
        pairs.append((timed.timing.latency_s, (last - first) * 1e-9))
        return timed

    words = [*overrides.split(), "repeats=5", "prompts.count=5", "judge=none", "hardware=gpu"]
    measure.time_once = traced
    try:
        record = execute(to_run(config_of(words), gpu_count), sweep="truth", shelf=Shelf(), report=lambda *_: None)
    finally:
        measure.time_once = time_once
    if record.measurement is None:
        print(f"{overrides}: {record.failure}")
        return 1.0
    samples = pairs[-len(record.measurement.samples) :]
    off = [abs(latency / trace - 1) for latency, trace in samples]
    print(
        f"{record.name}: reported {median(s for s, _ in samples) * 1e3:.3f} ms,"
        f" trace {median(t for _, t in samples) * 1e3:.3f} ms,"
        f" difference median {median(off):.4%}, largest {max(off):.4%}"
    )
    return median(off)


def _raw_s() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


if __name__ == "__main__":
    main()
