"""The machine of a run: what it is, how it is set, and what happened on it while a sample was taken."""

from dataclasses import dataclass
from enum import StrEnum


class Label(StrEnum):
    """What was wrong with the machine while a sample was taken. `power_cap` alone disturbs no run."""

    throttled = "throttled"
    power_cap = "power_cap"
    clock_changed = "clock_changed"
    foreign_process = "foreign_process"
    busy_cpu = "busy_cpu"
    stopped = "stopped"


class Verdict(StrEnum):
    """Whether the machine was left alone; `unknown` where a GPU could not be watched."""

    clean = "clean"
    disturbed = "disturbed"
    unknown = "unknown"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Readings of the machine around one sample and, where it lasts long enough, during it. Unknown is null.

    Attributes:
        sm_mhz_before, sm_mhz_after: SM clock right before the sample (an idle GPU's), and right after its end.
        sm_mhz_low, sm_mhz_high: lowest and highest of the readings during the sample and of the one after.
        memory_mhz_low, memory_mhz_high: the memory's clock, likewise.
        throttle: NVML's reasons for a lower clock, of all those readings; idleness is none.
        temperature_c: highest. power_w: highest. performance_state: highest number, 0 is the fastest state.
        readings: how many of them fell inside the sample.
        foreign_processes: processes on the GPU that are not this one.
        foreign_gpu_bytes: memory in use on the GPU that this process's allocator does not hold.
        foreign_cpu_cores: CPU time of all other processes over time: 1.0 is one core kept busy.
        watched_cpu_cores: number of cores on which that was counted, those of this process; null is all cores.
        stops: how often this process was stopped and went on, as by Ctrl-Z and `fg`; clocks went on meanwhile.
    """

    sm_mhz_before: int | None = None
    sm_mhz_low: int | None = None
    sm_mhz_high: int | None = None
    sm_mhz_after: int | None = None
    memory_mhz_low: int | None = None
    memory_mhz_high: int | None = None
    throttle: tuple[str, ...] = ()
    temperature_c: int | None = None
    power_w: float | None = None
    performance_state: int | None = None
    readings: int = 0
    foreign_processes: int | None = None
    foreign_gpu_bytes: int | None = None
    foreign_cpu_cores: float | None = None
    watched_cpu_cores: int | None = None
    stops: int | None = None


@dataclass(frozen=True, kw_only=True)
class LabelCount:
    """How many of a run's samples have a label."""

    label: Label
    samples: int


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The verdict on a run by the labels of its samples. `why` is null where there is no reason to name."""

    verdict: Verdict
    why: str | None
    labelled: tuple[LabelCount, ...]

    @property
    def is_unclean(self) -> bool:
        """Whether the machine was disturbed, or could not be watched."""
        return self.verdict is not Verdict.clean


@dataclass(frozen=True, kw_only=True)
class Card:
    """A GPU's settings, read through NVML and never changed. What it does not tell is null.

    Attributes:
        form: SXM or PCI.
        power_limit_w: the limit in force; power_limit_default_w: the one that it came with.
        sm_mhz_max, memory_mhz_max: the highest clocks.
        process_count: processes on the GPU when the run was over, this one among them.
    """

    form: str | None = None
    pci_bus_id: str | None = None
    ecc: bool | None = None
    mig: bool | None = None
    persistence: bool | None = None
    performance_state: int | None = None
    power_limit_w: float | None = None
    power_limit_default_w: float | None = None
    sm_mhz_max: int | None = None
    memory_mhz_max: int | None = None
    process_count: int | None = None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The machine, software, engine and attention kernel of a run. What is not known is null.

    Attributes:
        dirty: whether the checkout had changes that are in no commit.
        variables: environment variables that change speed, as NAME=value.
    """

    host: str
    system: str
    cpu: str
    cpu_threads: int
    memory_bytes: int
    gpu: str | None
    gpu_uuid: str | None
    gpu_memory_bytes: int | None
    driver: str | None
    python: str
    torch: str
    cuda: str | None
    transformers: str
    crossover: str
    commit: str | None
    engine: str
    attention: str
    dirty: bool | None = None
    cudnn: str | None = None
    flash_attn: str | None = None
    variables: tuple[str, ...] = ()
    card: Card | None = None
