from dataclasses import replace
from typing import Any

import pytest

from benchmark.hardware.verdict import FOREIGN_BYTES, judge, labels, watched
from crossover.errors import DisturbedError, UserError
from crossover.records.machine import Conditions, Label, LabelCount, Verdict
from crossover.records.settings import Device

QUIET = Conditions(
    sm_mhz_before=345,  # an idle GPU's
    sm_mhz_low=1965,
    sm_mhz_high=1980,
    sm_mhz_after=1980,
    memory_mhz_low=2619,
    memory_mhz_high=2619,
    foreign_processes=0,
    foreign_gpu_bytes=500 << 20,
    foreign_cpu_cores=0.02,
)


def label(sample: Conditions, cores: int = 2) -> tuple[Label, ...]:
    """The labels of one sample among quiet ones."""
    return labels([QUIET, QUIET, sample, QUIET], cores)[2]


def test_a_quiet_sample_has_no_label() -> None:
    assert label(QUIET) == ()


def test_a_sample_amid_which_the_process_was_stopped_is_disturbed() -> None:
    assert label(replace(QUIET, stops=1)) == (Label.stopped,)
    judged = watched([(), (Label.stopped,)], gpu_unseen=False)
    assert (judged.verdict, judged.why) == (
        Verdict.disturbed,
        "process stopped for a while (as by Ctrl-Z) in 1 of 2 samples",
    )


@pytest.mark.parametrize("reason", ["hardware_slowdown", "thermal", "hardware_thermal", "power_brake", "sync_boost"])
def test_a_slowdown_is_throttling(reason: str) -> None:
    assert label(replace(QUIET, throttle=(reason,))) == (Label.throttled,)


def test_a_power_limit_has_a_label_of_its_own_and_excuses_its_clock() -> None:
    assert label(replace(QUIET, throttle=("power_cap",), sm_mhz_low=1400)) == (Label.power_cap,)


@pytest.mark.parametrize("changes", [{"sm_mhz_low": 1800}, {"sm_mhz_high": 2100}, {"memory_mhz_low": 1593}])
def test_a_clock_that_moves_away_is_labelled(changes: dict[str, Any]) -> None:
    assert label(replace(QUIET, **changes)) == (Label.clock_changed,)


def test_a_foreign_process_is_one_by_the_drivers_list() -> None:
    assert label(replace(QUIET, foreign_processes=1)) == (Label.foreign_process,)
    more = QUIET.foreign_gpu_bytes or 0
    assert label(replace(QUIET, foreign_gpu_bytes=more + 2 * FOREIGN_BYTES)) == ()


def test_where_the_list_is_silent_memory_that_appears_tells() -> None:
    silent = replace(QUIET, foreign_processes=None)
    more = replace(silent, foreign_gpu_bytes=(500 << 20) + FOREIGN_BYTES + 1)
    assert labels([silent, more], 2) == [(), (Label.foreign_process,)]


def test_where_the_list_is_silent_memory_that_is_too_much_tells_of_one_that_was_there_all_the_time() -> None:
    silent = replace(QUIET, foreign_processes=None)
    assert labels([replace(silent, foreign_gpu_bytes=4 << 30)] * 2, 2) == [(), ()]
    assert labels([replace(silent, foreign_gpu_bytes=(4 << 30) + 1)] * 2, 2) == [(Label.foreign_process,)] * 2


@pytest.mark.parametrize(
    ("load", "cores", "busy"), [(0.3, 2, True), (0.2, 2, False), (0.3, 16, False), (0.9, 16, True)]
)
def test_others_may_have_some_cores_of_many(load: float, cores: int, *, busy: bool) -> None:
    assert label(replace(QUIET, foreign_cpu_cores=load), cores) == ((Label.busy_cpu,) if busy else ())


def test_of_a_share_of_the_cores_others_may_have_a_share() -> None:
    sample = replace(QUIET, foreign_cpu_cores=0.6, watched_cpu_cores=8)
    assert label(sample, cores=64) == (Label.busy_cpu,)
    assert label(replace(sample, watched_cpu_cores=16), cores=64) == ()


def test_a_machine_that_tells_nothing_labels_nothing() -> None:
    assert labels([Conditions()] * 3, 2) == [()] * 3


def test_a_run_is_disturbed_when_more_than_a_tenth_of_its_samples_are() -> None:
    busy, fine = (Label.busy_cpu,), ()
    assert watched([busy, *[fine] * 9], gpu_unseen=False).verdict is Verdict.clean
    assert watched([busy, *[fine] * 8], gpu_unseen=False).verdict is Verdict.disturbed
    judged = watched([busy, *[fine] * 4], gpu_unseen=False)
    assert judged.verdict is Verdict.disturbed
    assert judged.why == "CPU busy with other processes in 1 of 5 samples"
    assert judged.labelled == (LabelCount(label=Label.busy_cpu, samples=1),)


def test_a_power_limit_disturbs_no_run() -> None:
    judged = watched([(Label.power_cap,)] * 5, gpu_unseen=False)
    assert (judged.verdict, judged.why) == (Verdict.clean, "GPU at its power limit in 5 of 5 samples")


def test_a_gpu_that_nobody_watched_is_not_called_clean() -> None:
    _, judged = judge([Conditions(foreign_cpu_cores=0.0)] * 5, Device.cuda)
    assert judged.verdict is Verdict.unknown
    _, judged = judge([Conditions(foreign_cpu_cores=0.0)] * 5, Device.cpu)
    assert (judged.verdict, judged.why) == (Verdict.clean, None)


def test_a_reading_that_fails_once_does_not_make_a_watched_gpu_unseen() -> None:
    _, judged = judge([QUIET, replace(QUIET, sm_mhz_after=None), QUIET], Device.cuda)
    assert judged.verdict is Verdict.clean


def test_a_strict_run_that_was_disturbed_raises_and_a_clean_one_does_not() -> None:
    judge([QUIET] * 5, Device.cuda, strict=True)
    with pytest.raises(DisturbedError, match="foreign process on the GPU in 5 of 5 samples, and strict=true"):
        judge([replace(QUIET, foreign_processes=2)] * 5, Device.cuda, strict=True)


def test_a_strict_run_that_nobody_watched_is_refused_on_a_gpu_alone() -> None:
    unseen = [Conditions(foreign_cpu_cores=0.0)] * 5
    with pytest.raises(UserError, match="the GPU could not be watched, since NVML does not answer, and strict=true"):
        judge(unseen, Device.cuda, strict=True)
    with pytest.raises(DisturbedError, match="CPU busy"):
        judge([Conditions(foreign_cpu_cores=64.0)] * 5, Device.cuda, strict=True)
    assert judge(unseen, Device.cpu, strict=True)[1].verdict is Verdict.clean


@pytest.mark.parametrize(("more_mebibytes", "foreign"), [(199, False), (201, True)])
def test_two_hundred_mebibytes_that_appear_are_a_process(more_mebibytes: int, *, foreign: bool) -> None:
    silent = replace(QUIET, foreign_processes=None)
    more = replace(silent, foreign_gpu_bytes=(500 + more_mebibytes) << 20)
    assert labels([silent, more], 2)[1] == ((Label.foreign_process,) if foreign else ())


@pytest.mark.parametrize(("sm_mhz", "changed"), [(1882, False), (1880, True), (2078, False), (2080, True)])
def test_a_clock_has_changed_from_five_percent_on(sm_mhz: int, *, changed: bool) -> None:
    """Of 1,980 MHz that is 99."""
    sample = replace(QUIET, sm_mhz_low=min(sm_mhz, 1980), sm_mhz_high=max(sm_mhz, 1980))
    assert label(sample) == ((Label.clock_changed,) if changed else ())
