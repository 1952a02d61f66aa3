"""Where time, memory and energy go: further generations after the timed samples, which stay as they are.

Time: one generation under torch.profiler (kernel_times.py). Memory: one more generation, read at the end of each phase;
nothing waits for the device. Energy: generations one after another, for at least `LEAST_ENERGY_S`.
"""

import time
from collections.abc import Callable, Iterator

import psutil
import torch

from benchmark.decoders.interface import Phase, Unmarked
from benchmark.hardware.clock import Clock, Mark
from benchmark.hardware.nvml import Gpu
from benchmark.measurement.kernel_times import Subject, kernel_times
from benchmark.roofline.work import Shape
from crossover.records.profile import Energy, MemoryPoint, Profile
from crossover.records.run import Run
from crossover.records.settings import Engine

LEAST_ENERGY_S = 5.0
"""The counter moves every few tens of milliseconds, which is less than 1% of this time."""


def profiled(subject: Subject, shape: Shape | None, gpu: Gpu | None) -> Profile:
    """Where time, memory and, on a `gpu`, energy go."""
    latency_s, kinds = kernel_times(subject)
    return Profile(
        latency_s=latency_s,
        kinds=kinds,
        memory=memory_curve(subject, shape),
        energy=None if gpu is None else energy(subject, gpu.energy_j),
    )


def memory_curve(subject: Subject, shape: Shape | None) -> tuple[MemoryPoint, ...]:
    """Memory at the start and after each phase of one generation; on a CPU the process's resident set."""
    model, run, clock = subject.model, subject.run, subject.clock
    watch = _MemoryMarks(clock, _cuda_bytes if model.device.type == "cuda" else _resident_bytes)
    clock.synchronize()
    watch.mark(Phase.step)  # the start
    subject.decoder.decode(subject.batch, run.output_tokens, watch)
    clock.synchronize()
    start = watch.marks[0]
    caches = [0] * len(watch.held) if shape is None else list(_cache_bytes(run, shape, len(watch.held)))
    return tuple(
        MemoryPoint(
            at_s=mark.seconds_since(start),
            reserved_bytes=reserved,
            weights_bytes=model.weights_bytes,
            cache_bytes=cache,
            rest_bytes=max(0, allocated - model.weights_bytes - cache),
        )
        for mark, (reserved, allocated), cache in zip(watch.marks, watch.held, caches, strict=True)
    )


def energy(
    subject: Subject, counter_j: Callable[[], float | None], *, least_s: float = LEAST_ENERGY_S
) -> Energy | None:
    """Energy of generations one after another, for at least so many seconds; None where there is no counter."""
    run, clock = subject.run, subject.clock
    clock.synchronize()
    before_j, start_s, generations = counter_j(), time.monotonic(), 0
    if before_j is None:
        return None
    while time.monotonic() - start_s < least_s:
        subject.decoder.decode(subject.batch, run.output_tokens, Unmarked())
        clock.synchronize()
        generations += 1
    seconds, after_j = time.monotonic() - start_s, counter_j()
    if after_j is None:
        return None
    joules = after_j - before_j
    return Energy(
        joules=joules,
        seconds=seconds,
        generations=generations,
        joules_per_token=joules / (generations * run.batch * run.output_tokens),
    )


class _MemoryMarks:
    """Notes what the allocator holds whenever a phase is marked, and the moment on the device's clock."""

    def __init__(self, clock: Clock, held: Callable[[], tuple[int, int]]) -> None:
        self._clock, self._held = clock, held
        self.marks: list[Mark] = []
        self.held: list[tuple[int, int]] = []

    def mark(self, phase: Phase) -> None:
        del phase
        self.marks.append(self._clock.mark())
        self.held.append(self._held())

    def is_settled(self) -> bool:
        return True

    def runs_in(self) -> bool:
        return True


def _cache_bytes(run: Run, shape: Shape, points: int) -> Iterator[int]:
    """The key-value cache at each point: none, then the prompt's, then a token more each; static ones are whole."""
    for point in range(points):
        tokens = run.prompt_tokens + max(0, point - 1) if point else 0
        if run.diffusion is not None:
            tokens = 0 if run.diffusion.cache is None else run.length
        elif run.engine is Engine.compiled:
            tokens = run.length
        yield run.batch * tokens * shape.cache_bytes_per_token


def _cuda_bytes() -> tuple[int, int]:
    return torch.cuda.memory_reserved(), torch.cuda.memory_allocated()


def _resident_bytes() -> tuple[int, int]:
    resident = psutil.Process().memory_info().rss
    return resident, resident
