"""Where a run's time, memory and energy went, and how far from the device's limits it was."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A run's speed against the ceilings of its device. docs/protocol.md says what is counted.

    Attributes:
        copy_bytes_per_s, matrix_flop_per_s: the device's ceilings, measured on it.
        flop, bytes: arithmetic and memory traffic of one generation, counted from its shape.
        floor_s: the least time that the ceilings allow for them, pass by pass.
        floor_share: floor_s over the measured median latency: 1 is the chip's limit.
        matrix_share: arithmetic a second over its ceiling (MFU against the measured rate).
        copy_share: traffic a second over its ceiling.
    """

    copy_bytes_per_s: float
    matrix_flop_per_s: float
    flop: float
    bytes: float
    floor_s: float
    floor_share: float
    matrix_share: float
    copy_share: float


@dataclass(frozen=True, kw_only=True)
class KernelTime:
    """Time of all operations of one kind in one generation."""

    kind: str
    seconds: float
    calls: int


@dataclass(frozen=True, kw_only=True)
class MemoryPoint:
    """Memory at a moment of one generation: the weights, the key-value cache, and the rest of what is allocated."""

    at_s: float
    reserved_bytes: int
    weights_bytes: int
    cache_bytes: int
    rest_bytes: int

    @property
    def used_bytes(self) -> int:
        """All that is allocated."""
        return self.weights_bytes + self.cache_bytes + self.rest_bytes


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy by the GPU's own counter over several generations; everything on the board, idle power included."""

    joules: float
    seconds: float
    generations: int
    joules_per_token: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Where time, memory and energy go, by generations after the samples. What a device cannot tell is null or empty.

    Attributes:
        latency_s: the profiled generation, slowed down by the profiler; shares are of this.
        kinds: matrix, attention, head, other and idle; on a CPU the operators' own times.
        memory: along one more generation.
    """

    latency_s: float
    kinds: tuple[KernelTime, ...]
    memory: tuple[MemoryPoint, ...] = ()
    energy: Energy | None = None
