"""Watch the machine around each sample and, on a GPU, during it. Only a thread runs while a sample is timed.

That thread asks NVML twice a second, each time for about a millisecond, during which Python goes on. A sample that is
shorter than the thread's first wait has only the readings before and after it. The CPU is read before and after: the
difference of two sums needs no reading in between.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

import psutil

from benchmark.hardware.cpu import busy_s
from benchmark.hardware.nvml import Gpu, Reading, foreign
from benchmark.hardware.stops import counting_stops
from crossover.records.machine import Conditions

Number = TypeVar("Number", int, float)

INTERVAL_S = 0.5
"""Time between two readings during a sample."""
WINDOW_S = 0.5
"""The least time before a sample's end over which other processes' load is averaged: the kernel counts in 10 ms."""
CHILDREN_S = 2.0
"""How long a list of this process's children is used: making one reads every process of the machine."""


@dataclass(kw_only=True)
class Seen:
    """The conditions of a sample, set when it ends."""

    conditions: Conditions = field(default_factory=Conditions)


class OtherLoad:
    """CPU time of all other processes since an earlier moment. With `cores`, only that many cores are watched."""

    def __init__(
        self,
        busy_s: Callable[[], float],
        own_s: Callable[[], float],
        now_s: Callable[[], float],
        cores: int | None = None,
    ) -> None:
        self.cores = cores
        self._busy_s, self._own_s, self._now_s = busy_s, own_s, now_s
        self._past: deque[tuple[float, float]] = deque()
        self.read(0.0)

    def read(self, lasted_s: float) -> float | None:
        """Mean number of cores that others kept busy over the last `lasted_s` seconds, or the longer `WINDOW_S`."""
        now_s, others_s = self._now_s(), self._busy_s() - self._own_s()
        begin_s = now_s - max(lasted_s, WINDOW_S)
        while len(self._past) > 1 and self._past[1][0] <= begin_s:
            self._past.popleft()
        earlier = self._past[0] if self._past else None
        self._past.append((now_s, others_s))
        if earlier is None or now_s - earlier[0] < WINDOW_S / 2:
            return None
        return max(0.0, (others_s - earlier[1]) / (now_s - earlier[0]))


def other_load(cores: frozenset[int] | None = None) -> OtherLoad:
    """The load of other processes, as psutil counts it: on all cores, or on those that this process may run on."""
    if cores is None:
        return OtherLoad(_busy_s, _OwnTime(), time.monotonic)
    return OtherLoad(lambda: busy_s(cores), _OwnTime(), time.monotonic, len(cores))


class Watch:
    """Watches one run's samples, one after another."""

    def __init__(self, gpu: Gpu | None, load: OtherLoad, own_gpu_bytes: Callable[[], int]) -> None:
        self._gpu, self._load, self._own_gpu_bytes = gpu, load, own_gpu_bytes
        self._counter = counting_stops()

    @contextmanager
    def __call__(self) -> Iterator[Seen]:
        """Watch the sample that is taken inside."""
        seen = Seen()
        self._load.read(0.0)
        before = None if self._gpu is None else self._gpu.reading()
        began_s, stops = time.monotonic(), self._counter.stops
        with _readings(self._gpu) as during:
            yield seen
            lasted_s = time.monotonic() - began_s
            after = None if self._gpu is None else self._gpu.reading()
        cores = self._load.read(lasted_s)
        seen.conditions = replace(self._conditions(before, during, after, cores), stops=self._counter.stops - stops)

    def _conditions(
        self, before: Reading | None, during: list[Reading], after: Reading | None, cores: float | None
    ) -> Conditions:
        if self._gpu is None or before is None or after is None:
            return Conditions(foreign_cpu_cores=cores, watched_cpu_cores=self._load.cores)
        used = self._gpu.used_bytes()
        working = [*during, after]
        sm = _known(reading.sm_mhz for reading in working)
        memory = _known(reading.memory_mhz for reading in working)
        power = _known(reading.power_w for reading in during or working)
        return Conditions(
            sm_mhz_before=before.sm_mhz,
            sm_mhz_low=min(sm, default=None),
            sm_mhz_high=max(sm, default=None),
            sm_mhz_after=after.sm_mhz,
            memory_mhz_low=min(memory, default=None),
            memory_mhz_high=max(memory, default=None),
            throttle=tuple(sorted({reason for reading in working for reason in reading.throttle})),
            temperature_c=max(_known(reading.temperature_c for reading in working), default=None),
            power_w=max(power, default=None),
            performance_state=max(_known(reading.performance_state for reading in working), default=None),
            readings=len(during),
            foreign_processes=foreign(self._gpu.processes(), os.getpid()),
            foreign_gpu_bytes=None if used is None else max(0, used - self._own_gpu_bytes()),
            foreign_cpu_cores=cores,
            watched_cpu_cores=self._load.cores,
        )


@contextmanager
def _readings(gpu: Gpu | None) -> Iterator[list[Reading]]:
    """Readings of the GPU, which a thread collects while the sample runs."""
    readings: list[Reading] = []
    if gpu is None:
        yield readings
        return
    done = threading.Event()

    def collect() -> None:
        while not done.wait(INTERVAL_S):
            readings.append(gpu.reading())

    thread = threading.Thread(target=collect, daemon=True, name="watch")
    thread.start()
    try:
        yield readings
    finally:
        done.set()
        thread.join()


class _OwnTime:
    """CPU seconds of this process, all its threads, and its children."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._children: list[psutil.Process] = []
        self._listed_s = -CHILDREN_S

    def __call__(self) -> float:
        if time.monotonic() - self._listed_s >= CHILDREN_S:
            self._children = self._process.children(recursive=True)
            self._listed_s = time.monotonic()
        mine = self._process.cpu_times()
        waited_for = mine.children_user + mine.children_system
        return time.process_time() + waited_for + sum(map(_cpu_s, self._children))


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:  # it has ended, and counts among those waited for
        return 0.0
    return float(times.user + times.system)


def _busy_s() -> float:
    """CPU seconds in which the processors were neither idle nor waiting for a disk; stolen time counts as busy."""
    times = psutil.cpu_times()._asdict()
    counted_twice = times.get("guest", 0.0) + times.get("guest_nice", 0.0)
    return float(sum(times.values()) - times["idle"] - times.get("iowait", 0.0) - counted_twice)


def _known(values: Iterable[Number | None]) -> list[Number]:
    return [value for value in values if value is not None]
