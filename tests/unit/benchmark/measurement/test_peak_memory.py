import time

import pytest

from benchmark.measurement import peak_memory as memory
from benchmark.measurement.peak_memory import Peaks, host_peaks

MIB = 1024 * 1024


def watch(mebibytes: int) -> int:
    """The peak of a stretch that allocates, fills, holds and frees so much."""
    with host_peaks() as peaks:
        block = b"x" * (mebibytes * MIB)
        time.sleep(0.05 if block else 0.0)
        del block
    assert peaks.resident_bytes is not None
    return peaks.resident_bytes


@pytest.mark.parametrize("kernel", [True, False], ids=["the kernel's mark", "sampled"])
def test_a_peak_shows_in_its_own_stretch_and_in_no_later_one(monkeypatch: pytest.MonkeyPatch, *, kernel: bool) -> None:
    if not kernel:
        monkeypatch.setattr(memory, "_reset_kernel_mark", lambda: False)
    before, during, after = watch(0), watch(64), watch(0)
    assert 60 * MIB < during - before < 80 * MIB
    assert during - after > 50 * MIB


def test_a_cpu_knows_its_resident_set_alone() -> None:
    with host_peaks() as peaks:
        assert peaks == Peaks()
    assert peaks.reserved_bytes is None
    assert peaks.allocated_bytes is None


def test_a_stretch_that_fails_hands_its_error_on() -> None:
    with pytest.raises(ValueError, match="inside"), host_peaks():
        raise ValueError("inside")
