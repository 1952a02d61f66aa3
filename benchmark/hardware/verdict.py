"""From readings of the machine to labels of samples and a verdict on the run. Plain values in and out."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from crossover.errors import DisturbedError, UserError
from crossover.records.machine import Conditions, Label, LabelCount, Verdict, Watched
from crossover.records.settings import Device

LEAST_BUSY_CORES = 0.25
"""Other processes' load from which a sample is labelled. docs/results/timing-truth.md says how often that errs."""
BUSY_SHARE = 0.05
"""On a machine of many cores this share of them, since other processes find room there."""
CLOCK_SHARE = 0.05
"""An SM clock that is further than this from the run's usual one has changed; boost steps are about 1%."""
FOREIGN_BYTES = 200 << 20
"""Memory that appears: less than any CUDA context takes, more than a warm process takes outside its allocator."""
FOREIGN_MOST_BYTES = 4 << 30
"""Memory outside the allocator: more than this process ever has; context, libraries and graphs take about 1 GiB."""
TOLERATED_SHARE = 0.1
"""A run with more labelled samples than this is disturbed; fewer cannot move a median."""
SLOWDOWNS = {"hardware_slowdown", "thermal", "hardware_thermal", "power_brake", "sync_boost"}

WORDS = {
    Label.throttled: "throttled GPU",
    Label.power_cap: "GPU at its power limit",
    Label.clock_changed: "changed GPU clock",
    Label.foreign_process: "foreign process on the GPU",
    Label.busy_cpu: "CPU busy with other processes",
    Label.stopped: "process stopped for a while (as by Ctrl-Z)",
}


def judge(
    run: Sequence[Conditions], device: Device, *, strict: bool = False
) -> tuple[list[tuple[Label, ...]], Watched]:
    """Each sample's labels, and the verdict on the run.

    Raises:
        DisturbedError: when the run is strict and was disturbed.
        UserError: when the run is strict and its GPU could not be watched.
    """
    labelled = labels(run, os.cpu_count() or 1)
    unseen = device is Device.cuda and all(sample.sm_mhz_after is None for sample in run)
    watched_run = watched(labelled, gpu_unseen=unseen)
    if strict and watched_run.verdict is Verdict.disturbed:
        raise DisturbedError(
            f"{watched_run.why}, and strict=true keeps no figures of a disturbed run: free the machine"
        )
    if strict and watched_run.verdict is Verdict.unknown:
        raise UserError(
            f"{watched_run.why}, and strict=true keeps only figures of a watched GPU: leave strict=true out"
        )
    return labelled, watched_run


def labels(run: Sequence[Conditions], cores: int) -> list[tuple[Label, ...]]:
    """The labels of each sample of one run, on a machine of so many cores."""
    usual_sm = _median([sample.sm_mhz_after for sample in run])
    usual_memory = _median([sample.memory_mhz_high for sample in run])
    least_bytes = min((s.foreign_gpu_bytes for s in run if s.foreign_gpu_bytes is not None), default=0)
    tests: dict[Label, Callable[[Conditions], bool]] = {
        Label.throttled: lambda sample: bool(SLOWDOWNS & set(sample.throttle)),
        Label.power_cap: lambda sample: "power_cap" in sample.throttle,
        Label.clock_changed: lambda sample: _clock_changed(sample, usual_sm, usual_memory),
        Label.foreign_process: lambda sample: _is_shared(sample, least_bytes),
        Label.busy_cpu: lambda sample: _is_busy(sample, cores),
        Label.stopped: lambda sample: bool(sample.stops),
    }
    return [tuple(label for label, holds in tests.items() if holds(sample)) for sample in run]


def watched(labelled: Sequence[tuple[Label, ...]], *, gpu_unseen: bool) -> Watched:
    """The verdict on a run whose samples have these labels; `gpu_unseen` where it ran on a GPU without NVML."""
    counts = Counter(label for sample in labelled for label in sample)
    disturbed = sum(1 for sample in labelled if set(sample) - {Label.power_cap})
    parts = [f"{WORDS[label]} in {counts[label]} of {len(labelled)} samples" for label in Label if counts[label]]
    verdict = Verdict.unknown if gpu_unseen else Verdict.clean
    if gpu_unseen:
        parts.append("the GPU could not be watched, since NVML does not answer")
    if disturbed > TOLERATED_SHARE * len(labelled):
        verdict = Verdict.disturbed
    return Watched(
        verdict=verdict,
        why="; ".join(parts) or None,
        labelled=tuple(LabelCount(label=label, samples=counts[label]) for label in Label if counts[label]),
    )


def _is_busy(sample: Conditions, cores: int) -> bool:
    bound = max(LEAST_BUSY_CORES, BUSY_SHARE * (sample.watched_cpu_cores or cores))
    return sample.foreign_cpu_cores is not None and sample.foreign_cpu_cores > bound


def _clock_changed(sample: Conditions, usual_sm: float | None, usual_memory: float | None) -> bool:
    """Whether the clock changed without the power limit, which makes a GPU change its clock and has its own label."""
    memory = (sample.memory_mhz_low, sample.memory_mhz_high)
    if usual_memory is not None and any(clock is not None and clock != usual_memory for clock in memory):
        return True
    if usual_sm is None or "power_cap" in sample.throttle:
        return False
    around = (sample.sm_mhz_low, sample.sm_mhz_high)
    return any(clock is not None and abs(clock - usual_sm) > CLOCK_SHARE * usual_sm for clock in around)


def _is_shared(sample: Conditions, least_bytes: int) -> bool:
    """Whether another process is on the GPU, by the driver's list; without a list, by memory that is new or too much.

    Without a list, a process that was there before and holds little memory is not seen.
    """
    if sample.foreign_processes is not None:
        return sample.foreign_processes > 0
    others = sample.foreign_gpu_bytes
    return others is not None and (others - least_bytes > FOREIGN_BYTES or others > FOREIGN_MOST_BYTES)


def _median(values: Sequence[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
