import os
from types import SimpleNamespace

import pynvml
import pytest

from benchmark.hardware.nvml import Gpu, driver_version, foreign, form, gpu_names


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """A card that answers some questions and refuses the others, as cards do."""

    for name in dir(pynvml):
        if name.startswith("nvmlDeviceGet"):
            monkeypatch.setattr(pynvml, name, refused)
    answers = {
        "nvmlDeviceGetCurrentClocksThrottleReasons": lambda _: 0x1 | 0x4 | 0x20,
        "nvmlDeviceGetClockInfo": lambda _, which: {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}[which],
        "nvmlDeviceGetPowerUsage": lambda _: 123_456,
        "nvmlDeviceGetName": lambda _: "NVIDIA A100-SXM4-80GB",
        "nvmlDeviceGetEccMode": lambda _: (1, 1),
        "nvmlDeviceGetPersistenceMode": lambda _: 0,
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 400_000,
        "nvmlDeviceGetPciInfo": lambda _: SimpleNamespace(busId="00000000:07:00.0"),
        "nvmlDeviceGetComputeRunningProcesses": lambda _: [SimpleNamespace(pid=7), SimpleNamespace(pid=9)],
        "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(used=5),
        "nvmlDeviceGetCpuAffinity": lambda _, words: [0b1001, 0b10, 0][:words],
        "nvmlDeviceGetTotalEnergyConsumption": lambda _: 2_500,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    return Gpu(object())


def test_cores_near_a_card_have_their_numbers(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 66)  # in two words of 64
    assert gpu.near_cores() == {0, 3, 65}
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCpuAffinity", refused)
    assert gpu.near_cores() == frozenset()


def refused(*_: object) -> None:
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)


def test_a_reading_is_in_whole_units_and_idleness_is_no_throttling(gpu: Gpu) -> None:
    reading = gpu.reading()
    assert (reading.sm_mhz, reading.memory_mhz) == (1980, 2619)
    assert reading.power_w == pytest.approx(123.456)
    assert reading.throttle == ("power_cap", "thermal")
    assert (reading.temperature_c, reading.performance_state) == (None, None)


def test_a_card_tells_what_it_knows(gpu: Gpu) -> None:
    card = gpu.card()
    assert (card.form, card.pci_bus_id, card.ecc, card.persistence) == ("SXM", "00000000:07:00.0", True, False)
    assert (card.power_limit_w, card.power_limit_default_w, card.mig, card.process_count) == (400.0, None, None, 2)


def test_processes_memory_and_energy(gpu: Gpu) -> None:
    assert gpu.processes() == (7, 9)
    assert gpu.used_bytes() == 5
    assert gpu.energy_j() == 2.5


def test_where_there_is_no_nvml_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert Gpu.find("GPU-0") is None
    assert (gpu_names(), driver_version()) == ((), None)


def test_every_gpu_is_named(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu.name() == "NVIDIA A100-SXM4-80GB"
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda index: ("A100", "H100")[index])
    assert gpu_names() == ("A100", "H100")


@pytest.mark.parametrize(
    ("name", "watts", "expected"),
    [
        ("NVIDIA A100-SXM4-80GB", 400.0, "SXM"),
        ("NVIDIA A100 80GB PCIe", 300.0, "PCI"),
        ("NVIDIA H100 80GB HBM3", 700.0, "SXM"),
        ("NVIDIA H200 NVL", 600.0, "PCI"),
        ("NVIDIA L4", 72.0, "PCI"),
        ("NVIDIA L4", None, None),
    ],
)
def test_the_form_follows_from_name_and_power(name: str, watts: float | None, expected: str | None) -> None:
    assert form(name, watts) == expected


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        ((7,), 0),
        ((7, 9), 1),
        ((9,), 0),  # a container: it is ourselves, under the host's number
        ((8, 9), 1),
        ((), None),
        (None, None),
    ],
)
def test_foreign_processes_are_all_but_one(processes: tuple[int, ...] | None, expected: int | None) -> None:
    assert foreign(processes, own=7) == expected
