import os
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from dataclasses import dataclass, field, replace

import psutil
import pytest

from benchmark.hardware import monitor as module
from benchmark.hardware.monitor import OtherLoad, Watch
from benchmark.hardware.nvml import Reading
from benchmark.hardware.stops import counting_stops
from crossover.records.machine import Conditions


@dataclass
class Times:
    """Clocks that the test moves: of the machine, of this process, of the wall."""

    now: float = 0.0
    busy: float = 100.0
    own: float = 10.0

    def load(self) -> OtherLoad:
        return OtherLoad(lambda: self.busy, lambda: self.own, lambda: self.now)

    def pass_s(self, seconds: float, *, own: float = 0.0, others: float = 0.0) -> None:
        self.now += seconds
        self.busy += own + others
        self.own += own


@dataclass
class FakeGpu:
    """A GPU whose readings the test wrote, the last again and again."""

    readings: list[Reading]
    pids: tuple[int, ...] | None = (os.getpid(),)
    asked: list[float] = field(default_factory=list)

    def reading(self) -> Reading:
        self.asked.append(time.monotonic())
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def processes(self) -> tuple[int, ...] | None:
        return self.pids

    def used_bytes(self) -> int:
        return 1000


def a_reading(sm_mhz: int = 1980, **changes: object) -> Reading:
    values: dict[str, object] = {
        "sm_mhz": sm_mhz,
        "memory_mhz": 2619,
        "throttle": (),
        "temperature_c": 40,
        "power_w": 100.0,
        "performance_state": 0,
    }
    return Reading(**(values | changes))  # type: ignore[arg-type]


def watched(gpu: FakeGpu, seconds: float = 0.0) -> Conditions:
    watch = Watch(gpu, Times().load(), lambda: 300)  # type: ignore[arg-type]  # it asks for no more than the fake has
    with watch() as seen:
        time.sleep(seconds)
    return seen.conditions


def test_the_load_of_others_is_the_machines_without_our_own() -> None:
    times = Times()
    load = times.load()
    times.pass_s(1.0, own=0.9, others=0.5)
    assert load.read(1.0) == pytest.approx(0.5)


def test_a_short_samples_load_is_that_of_the_window_before_its_end() -> None:
    times = Times()
    load = times.load()
    times.pass_s(10.0, others=10.0)
    load.read(0.0)
    times.pass_s(0.45, others=0.0)
    load.read(0.0)
    times.pass_s(0.05, others=0.05)
    assert load.read(0.05) == pytest.approx(0.05 / 0.5)


def test_a_long_samples_load_is_its_own() -> None:
    times = Times()
    load = times.load()
    times.pass_s(5.0, others=5.0)
    load.read(0.0)
    times.pass_s(10.0, others=2.0)
    assert load.read(10.0) == pytest.approx(0.2)


def test_no_load_is_told_of_hardly_any_time() -> None:
    times = Times()
    load = times.load()
    times.pass_s(0.1, others=0.1)
    assert load.read(0.1) is None


def test_clocks_that_disagree_by_a_tick_make_no_negative_load() -> None:
    times = Times()
    load = times.load()
    times.pass_s(1.0, own=1.0, others=-0.01)
    assert load.read(1.0) == 0.0


@pytest.mark.process
def test_our_own_time_is_that_of_this_process_and_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHILDREN_S", 0.0)
    own = module._OwnTime()
    before, mine = own(), time.process_time()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            while own() - before < 0.5:
                time.sleep(0.05)
            spent = psutil.Process(child.pid).cpu_times()
        finally:
            child.kill()
    assert spent.user + spent.system > 0.3  # of the half second, the rest is this process's own
    assert own() - before >= spent.user + spent.system + time.process_time() - mine - 0.05  # when it is gone, too


def test_the_machine_is_busier_than_this_process() -> None:
    assert module._busy_s() > time.process_time() - 0.05


def test_a_short_sample_is_read_before_and_after_alone() -> None:
    gpu = FakeGpu([a_reading(345), a_reading(1980)])
    conditions = watched(gpu)
    assert len(gpu.asked) == 2
    assert (conditions.sm_mhz_before, conditions.sm_mhz_after, conditions.readings) == (345, 1980, 0)
    assert (conditions.sm_mhz_low, conditions.sm_mhz_high) == (1980, 1980)
    assert conditions.foreign_gpu_bytes == 700
    assert conditions.foreign_processes == 0


def test_a_long_sample_is_read_during_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL_S", 0.02)
    slow = a_reading(1200, throttle=("thermal",), temperature_c=90, power_w=300.0, performance_state=2)
    conditions = watched(FakeGpu([a_reading(345), slow, a_reading(1980)]), seconds=0.3)
    assert conditions.readings > 1
    assert (conditions.sm_mhz_low, conditions.sm_mhz_high) == (1200, 1980)
    assert (conditions.throttle, conditions.temperature_c, conditions.power_w) == (("thermal",), 90, 300.0)
    assert conditions.performance_state == 2


def test_what_a_card_does_not_tell_stays_unknown() -> None:
    gpu = FakeGpu(
        [Reading(sm_mhz=None, memory_mhz=None, throttle=(), temperature_c=None, power_w=None, performance_state=None)]
    )
    gpu.pids = None
    conditions = watched(gpu)
    assert (conditions.sm_mhz_low, conditions.memory_mhz_high, conditions.power_w, conditions.foreign_processes) == (
        None,
        None,
        None,
        None,
    )


def test_without_a_gpu_the_cpu_alone_is_watched() -> None:
    times = Times()
    watch = Watch(None, times.load(), lambda: 0)
    with watch() as seen:
        times.pass_s(1.0, others=0.7)
    assert seen.conditions.foreign_cpu_cores == pytest.approx(0.7)
    assert replace(seen.conditions, foreign_cpu_cores=None) == Conditions(stops=0)


def test_a_sample_that_fails_stops_the_thread_and_hands_its_error_on() -> None:
    gpu = FakeGpu([a_reading()])
    watch = Watch(gpu, Times().load(), lambda: 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="inside"), watch():
        raise ValueError("inside")
    asked = len(gpu.asked)
    time.sleep(2 * module.INTERVAL_S)
    assert len(gpu.asked) == asked


CpuTimes = namedtuple("CpuTimes", "user nice system idle iowait irq softirq steal guest guest_nice")


def test_time_that_guests_take_is_counted_once_and_idling_and_waiting_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux counts a guest's time in user, and again in guest."""
    times = CpuTimes(100.0, 10.0, 20.0, 5000.0, 700.0, 1.0, 2.0, 3.0, 40.0, 5.0)
    monkeypatch.setattr(psutil, "cpu_times", lambda: times)
    assert module._busy_s() == 100 + 10 + 20 + 1 + 2 + 3


def test_a_samples_load_begins_with_the_sample() -> None:
    """Others kept a core busy for 10 s before it, and none in the second that it took."""
    times = Times()
    watch = Watch(None, times.load(), lambda: 0)
    times.pass_s(10.0, others=10.0)
    with watch() as seen:
        times.pass_s(1.0)
    assert seen.conditions.foreign_cpu_cores == 0.0


@pytest.mark.parametrize(("during", "power_w"), [([300.0, 320.0], 320.0), ([], 500.0)])
def test_a_samples_power_is_that_during_it_where_it_is_long_enough_to_be_read(
    during: list[float], power_w: float
) -> None:
    gpu = FakeGpu([a_reading()])
    watch = Watch(gpu, Times().load(), lambda: 0)  # type: ignore[arg-type]
    conditions = watch._conditions(
        a_reading(power_w=50.0), [a_reading(power_w=each) for each in during], a_reading(power_w=500.0), None
    )
    assert conditions.power_w == power_w


def test_a_sample_amid_which_the_process_was_stopped_is_known() -> None:
    """A process hears only that it goes on."""
    watch = Watch(None, Times().load(), lambda: 0)
    os.kill(os.getpid(), signal.SIGCONT)
    with watch() as quiet:
        pass
    with watch() as stopped:
        os.kill(os.getpid(), signal.SIGCONT)
    assert (quiet.conditions.stops, stopped.conditions.stops) == (0, 1)


def test_a_thread_that_may_set_no_handlers_watches_all_the_same() -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(counting_stops().stops))
    thread.start()
    thread.join()
    assert len(seen) == 1
