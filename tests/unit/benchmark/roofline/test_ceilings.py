import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from benchmark.hardware import environment
from benchmark.hardware.monitor import Seen
from benchmark.roofline import ceilings as module
from benchmark.roofline.ceilings import CACHE, ceilings, keep, kept, measure_ceilings
from benchmark.roofline.work import Ceilings
from benchmark.util.cache import cache_file
from crossover.records.machine import Conditions
from tests.checkpoints import CPU

FOUND = Ceilings(copy_bytes_per_s=1e9, matrix_flop_per_s=1e10)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module._ceilings.cache_clear()
    return tmp_path / "crossover" / "ceilings.json"


def test_a_cpu_copies_and_multiplies_at_rates_that_a_cpu_can_have() -> None:
    ceilings = measure_ceilings(CPU, torch.float32)
    assert 1e8 < ceilings.copy_bytes_per_s < 1e12
    assert 1e8 < ceilings.matrix_flop_per_s < 1e13


def test_a_device_is_measured_once_and_then_remembered(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ceilings(CPU, torch.float32)
    module._ceilings.cache_clear()  # as in another process
    monkeypatch.setattr(module, "measure_ceilings", lambda *_: pytest.fail("measured again"))
    assert ceilings(CPU, torch.float32) == first
    assert len(json.loads(cache.read_text())) == 1


def test_another_number_of_threads_is_another_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: len(asked) + 1)

    def measured(*_: object) -> Ceilings:
        asked.append(torch.get_num_threads())
        return FOUND

    monkeypatch.setattr(module, "measure_ceilings", measured)
    for _ in range(3):
        assert ceilings(CPU, torch.float32) == FOUND
    assert asked == [1, 2, 3]


def test_another_type_is_another_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.dtype] = []

    def measured(_device: torch.device, dtype: torch.dtype) -> Ceilings:
        asked.append(dtype)
        return FOUND

    monkeypatch.setattr(module, "measure_ceilings", measured)
    for dtype in (torch.float32, torch.bfloat16, torch.float32):
        assert ceilings(CPU, dtype) == FOUND
    assert asked == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize(
    ("conditions", "is_kept"),
    [
        (Conditions(foreign_processes=1), False),
        (Conditions(throttle=("thermal",)), False),
        (Conditions(throttle=("power_cap",), foreign_cpu_cores=50.0), True),
    ],
)
def test_what_a_disturbed_gpu_shows_is_used_and_not_kept(
    conditions: Conditions,
    *,
    is_kept: bool,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "measure_ceilings", lambda *_: FOUND)
    monkeypatch.setattr(environment, "watch", lambda **_: lambda: nullcontext(Seen(conditions=conditions)))
    assert ceilings(CPU, torch.float32) == FOUND
    assert cache.exists() == is_kept
    assert ("not kept" in caplog.text) != is_kept


def test_devices_lie_side_by_side(cache: Path) -> None:
    keep("one", FOUND)
    keep("two", Ceilings(copy_bytes_per_s=2.0, matrix_flop_per_s=3.0))
    assert kept("one") == FOUND
    assert cache_file(CACHE) == cache


@pytest.mark.parametrize("content", ["", "[]", '{"one": 3}', '{"one": {"speed": 1}}'])
def test_a_file_that_is_not_ours_is_no_measurement_and_is_replaced(cache: Path, content: str) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text(content)
    assert kept("one") is None
    assert keep("one", FOUND) == kept("one") == FOUND


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert keep("one", FOUND) == FOUND
    assert kept("one") is None


def test_copying_counts_bytes_read_and_written_and_a_product_two_operations_a_multiply_add(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each in a second."""
    monkeypatch.setattr(module, "_copy_s", lambda *_: 1.0)
    monkeypatch.setattr(module, "_product_s", lambda *_: 1.0)
    expected = Ceilings(copy_bytes_per_s=2 * 256 * 2**20, matrix_flop_per_s=2 * 768**3)
    assert measure_ceilings(CPU, torch.float32) == expected
