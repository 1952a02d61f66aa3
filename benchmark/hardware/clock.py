"""Two clocks behind one interface: events on a GPU, the monotonic clock on a CPU."""

import time
from typing import Protocol

import torch


class Mark(Protocol):
    """A moment on a device."""

    def seconds_since(self, earlier: "Mark") -> float:
        """Time between two moments of one clock, to be read after synchronising."""


class Clock(Protocol):
    """Marks moments of the device's work without waiting for it."""

    def synchronize(self) -> None:
        """Wait until the device has finished all its work."""

    def mark(self) -> Mark:
        """The moment at which the device gets to this point of its work."""


class HostMark:
    """A reading of the host's monotonic clock."""

    def __init__(self, nanoseconds: int) -> None:
        self.nanoseconds = nanoseconds

    def seconds_since(self, earlier: Mark) -> float:
        """Seconds from `earlier`, another reading of this clock."""
        assert isinstance(earlier, HostMark)
        return (self.nanoseconds - earlier.nanoseconds) * 1e-9


class HostClock:
    """For a CPU, where work is done when its call returns."""

    def synchronize(self) -> None:
        """Do nothing, since a CPU has finished when its call returns."""

    def mark(self) -> HostMark:
        """Now."""
        return HostMark(time.perf_counter_ns())


class CudaMark:
    """An event in the current stream."""

    def __init__(self) -> None:
        self.event = torch.cuda.Event(enable_timing=True)
        self.event.record()

    def seconds_since(self, earlier: Mark) -> float:
        """Seconds from `earlier`, by the GPU's own clock."""
        assert isinstance(earlier, CudaMark)
        return float(earlier.event.elapsed_time(self.event)) * 1e-3


class CudaClock:
    """For a GPU, whose work goes on after its call returns."""

    def synchronize(self) -> None:
        """Wait for every stream."""
        torch.cuda.synchronize()

    def mark(self) -> CudaMark:
        """Record an event."""
        return CudaMark()
