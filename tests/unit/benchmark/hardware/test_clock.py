import time

import pytest

from benchmark.hardware.clock import HostClock, HostMark


def test_marks_are_apart_by_the_seconds_between_them() -> None:
    assert HostMark(2_500_000_000).seconds_since(HostMark(1_000_000_000)) == 1.5


def test_the_host_clock_sees_what_happens_between_its_marks() -> None:
    clock = HostClock()
    start = clock.mark()
    time.sleep(0.02)
    clock.synchronize()
    assert clock.mark().seconds_since(start) >= 0.02


def test_marks_of_two_clocks_are_never_compared() -> None:
    class Other:
        def seconds_since(self, _earlier: object) -> float:
            return 0.0

    with pytest.raises(AssertionError):
        HostClock().mark().seconds_since(Other())
