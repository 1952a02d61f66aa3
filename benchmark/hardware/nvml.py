"""A GPU's facts from NVML. Everything here reads; nothing changes a setting. What a card does not know is None."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from crossover.records.machine import Card

T = TypeVar("T")
MILLI = 1e-3
WORD_BITS = 64
"""Cores in one number of a list of cores."""
SXM_WATTS = 500
"""PCI cards take less power; names of SXM cards do not always say SXM (`NVIDIA H100 80GB HBM3`)."""

REASONS = {
    0x02: "application_clocks",
    0x04: "power_cap",
    0x08: "hardware_slowdown",
    0x10: "sync_boost",
    0x20: "thermal",
    0x40: "hardware_thermal",
    0x80: "power_brake",
    0x100: "display_clocks",
}
"""Bits of nvmlDeviceGetCurrentClocksThrottleReasons. 0x01, an idle GPU, is no reason to worry."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A GPU at one moment."""

    sm_mhz: int | None
    memory_mhz: int | None
    throttle: tuple[str, ...]
    temperature_c: int | None
    power_w: float | None
    performance_state: int | None


class Gpu:
    """One GPU, by its UUID."""

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 (a pointer of the library's)
        self._handle = handle

    @classmethod
    def find(cls, uuid: str) -> "Gpu | None":
        """The GPU; None where NVML is not there or does not know it."""
        import pynvml as nvml

        handle = _ask_loaded(lambda: nvml.nvmlDeviceGetHandleByUUID(uuid))
        return None if handle is None else cls(handle)

    def name(self) -> str | None:
        """The product's name."""
        import pynvml as nvml

        return _ask(lambda: str(nvml.nvmlDeviceGetName(self._handle)))

    def reading(self) -> Reading:
        """Clocks, throttle reasons, temperature, power, performance state: now."""
        import pynvml as nvml

        handle = self._handle
        bits = _ask(lambda: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)) or 0
        return Reading(
            sm_mhz=_ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            memory_mhz=_ask(lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            throttle=tuple(name for bit, name in REASONS.items() if bits & bit),
            temperature_c=_ask(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            power_w=_ask(lambda: nvml.nvmlDeviceGetPowerUsage(handle) * MILLI),
            performance_state=_ask(lambda: nvml.nvmlDeviceGetPerformanceState(handle)),
        )

    def processes(self) -> tuple[int, ...] | None:
        """Ids of the processes that compute on the GPU, as the driver counts them: a container may have its own."""
        import pynvml as nvml

        processes = _ask(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(self._handle))
        return None if processes is None else tuple(process.pid for process in processes)

    def near_cores(self) -> frozenset[int]:
        """The cores of the processor that the GPU is attached to; none where the driver does not tell."""
        import pynvml as nvml

        words = _ask(lambda: nvml.nvmlDeviceGetCpuAffinity(self._handle, -(-(os.cpu_count() or 1) // WORD_BITS)))
        return frozenset(
            number * WORD_BITS + bit
            for number, word in enumerate(words or ())
            for bit in range(WORD_BITS)
            if word >> bit & 1
        )

    def used_bytes(self) -> int | None:
        """Memory in use by all processes together."""
        import pynvml as nvml

        return _ask(lambda: int(nvml.nvmlDeviceGetMemoryInfo(self._handle).used))

    def energy_j(self) -> float | None:
        """Energy since the driver was loaded, of the whole board."""
        import pynvml as nvml

        return _ask(lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle) * MILLI)

    def card(self) -> Card:
        """Settings that stay as they are during a run."""
        import pynvml as nvml

        handle = self._handle
        default_w = _ask(lambda: nvml.nvmlDeviceGetPowerManagementDefaultLimit(handle) * MILLI)
        processes = self.processes()
        return Card(
            form=form(self.name() or "", default_w),
            pci_bus_id=_ask(lambda: str(nvml.nvmlDeviceGetPciInfo(handle).busId)),
            ecc=_ask(lambda: bool(nvml.nvmlDeviceGetEccMode(handle)[0])),
            mig=_ask(lambda: bool(nvml.nvmlDeviceGetMigMode(handle)[0])),
            persistence=_ask(lambda: bool(nvml.nvmlDeviceGetPersistenceMode(handle))),
            performance_state=_ask(lambda: nvml.nvmlDeviceGetPerformanceState(handle)),
            power_limit_w=_ask(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle) * MILLI),
            power_limit_default_w=default_w,
            sm_mhz_max=_ask(lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM)),
            memory_mhz_max=_ask(lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            process_count=None if processes is None else len(processes),
        )


def form(name: str, power_limit_default_w: float | None) -> str | None:
    """SXM or PCI, from the card's name, and where that is silent from the power that it may take."""
    if "SXM" in name:
        return "SXM"
    if "PCI" in name.upper() or "NVL" in name:
        return "PCI"
    if power_limit_default_w is None:
        return None
    return "SXM" if power_limit_default_w >= SXM_WATTS else "PCI"


def foreign(processes: tuple[int, ...] | None, own: int) -> int | None:
    """The number of processes on the GPU besides this one.

    A container sees the driver's process ids, in which this process has another number; one of them is then taken for
    it. None where the driver lists no process at all, although this one is on the GPU.
    """
    if not processes:
        return None
    others = [process for process in processes if process != own]
    return len(others) if own in processes else len(others) - 1


def gpu_names() -> tuple[str, ...]:
    """The names of this machine's GPUs; none where NVML is not there or does not tell."""
    import pynvml as nvml

    def names() -> tuple[str, ...]:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return tuple(str(nvml.nvmlDeviceGetName(handle)) for handle in handles)

    return _ask_loaded(names) or ()


def gpu_uuids() -> tuple[str, ...]:
    """The UUIDs of this machine's GPUs, in the order of nvidia-smi; none where NVML is not there or does not tell."""
    import pynvml as nvml

    def uuids() -> tuple[str, ...]:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return tuple(str(nvml.nvmlDeviceGetUUID(handle)) for handle in handles)

    return _ask_loaded(uuids) or ()


def driver_version() -> str | None:
    """The version of NVIDIA's driver; None where there is none."""
    import pynvml as nvml

    return _ask_loaded(lambda: str(nvml.nvmlSystemGetDriverVersion()))


def _ask_loaded(question: Callable[[], T]) -> T | None:
    """The answer of NVML, which is loaded first; None where it cannot be, or does not know."""
    import pynvml

    def load_and_ask() -> T:
        pynvml.nvmlInit()
        return question()

    return _ask(load_and_ask)


def _ask(question: Callable[[], T]) -> T | None:
    """NVML's answer; None when the card does not know."""
    import pynvml

    try:
        return question()
    except pynvml.NVMLError:
        return None
