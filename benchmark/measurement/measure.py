"""Warm up, watch memory, then time: one decoder over its batches.

Counted in a sample: from prompts on the device to the last token of the last sequence, by the device's
clock between two synchronisations, with the host's clock around it. Not counted: loading, tokenising,
copying prompts to the device, reading tokens back, decoding text, scoring, logging.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from statistics import fmean

from benchmark.decoders.interface import Batch, Decoder, Generation, Phase
from benchmark.decoders.plan import LONG_PASS_S
from benchmark.hardware.clock import Clock, Mark
from benchmark.hardware.monitor import Seen
from benchmark.measurement.peak_memory import Peaks
from benchmark.measurement.stopping import Rule
from benchmark.util.progress import Report, Stage
from crossover.records.forwards import TimedForwards
from crossover.records.machine import Conditions
from crossover.records.record import StoppedBy


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Clock readings of one generation, in seconds; `prefill_s` is None where there is no prefill."""

    latency_s: float
    host_latency_s: float
    prefill_s: float | None
    step_s: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Timed:
    """A generation with its timing, and the state of the machine around it.

    `forwards` says which of its forward passes were made, where that is a share of them; the times are then means
    over `of_generations`.
    """

    generation: Generation
    timing: Timing
    conditions: Conditions = field(default_factory=Conditions)
    forwards: TimedForwards | None = None
    of_generations: int = 1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """All that was read from the clocks, the allocator and the machine; `untimed` is the memory pass's output."""

    samples: tuple[Timed, ...]
    stopped_by: StoppedBy
    warmup_s: tuple[float, ...]
    peaks: Peaks
    untimed: Generation


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """What a run is measured with: a clock, a reader of memory peaks, and a monitor of the machine.

    Where generations are made in part, `complete` makes whole ones of them, the device works for `settle_s` before what
    is timed, and with `runs_in` a pass behind a gap is made once untimed.
    """

    clock: Clock
    peaks: Callable[[], AbstractContextManager[Peaks]]
    watch: Callable[[], AbstractContextManager[Seen]]
    complete: Callable[[Timed], Timed] | None = None
    settle_s: float | None = None
    runs_in: bool = True


class _Marks:
    """Phases whose ends are marked on a clock. Only settling waits for the device."""

    def __init__(self, clock: Clock, settle_s: float | None, *, runs_in: bool) -> None:
        self._clock, self._runs_in = clock, runs_in
        self._settling = None if settle_s is None else _Settling(clock, settle_s)
        self.ends: list[tuple[Phase, Mark]] = []

    def mark(self, phase: Phase) -> None:
        self.ends.append((phase, self._clock.mark()))

    def is_settled(self) -> bool:
        return self._settling is None or self._settling.is_over()

    def runs_in(self) -> bool:
        return self._runs_in


class _Settling:
    """A stretch of untimed work, from the first question whether it is over; so many seconds of the host's clock."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._end_s: float | None = None

    def is_over(self) -> bool:
        self._clock.synchronize()
        now_s = time.perf_counter()
        if self._end_s is None:
            self._end_s = now_s + self._seconds
        return now_s >= self._end_s


class _SettledError(Exception):
    """The device has settled in the midst of an untimed generation, which need not go on."""


class _Untimed:
    """Phases of a generation that lets the device settle: with the phase in which it has, the generation ends."""

    def __init__(self, settling: _Settling, *, runs_in: bool) -> None:
        self._settling, self._runs_in = settling, runs_in

    def mark(self, phase: Phase) -> None:
        del phase
        if self._settling.is_over():
            raise _SettledError

    def is_settled(self) -> bool:
        return self._settling.is_over()

    def runs_in(self) -> bool:
        return self._runs_in


def measure(
    decoder: Decoder,
    batch_of: Callable[[int], Batch],
    output_tokens: int,
    *,
    instruments: Instruments,
    rule: Rule,
    warmup: int,
    report: Report,
) -> Measured:
    """Time samples until `rule` has enough, after `warmup` discarded runs, the last of which is the memory pass.

    Without warm-up there is a memory pass all the same. `batch_of` makes the batch of each sample; all have the same
    shape. Warm-up and memory pass use the first. With `settle_s` each sample follows at once on untimed generations
    that take so long, the last of which may end amid its passes; where generations are made in part, it is the mean of
    as many.
    """
    clock, first, whole = instruments.clock, batch_of(0), instruments.complete or _as_it_is
    warmup_s = []
    alone = max(0, warmup - 1)
    for done in range(alone):
        report(Stage.warmup, done, warmup)
        made = time_once(decoder, first, output_tokens, clock, runs_in=instruments.runs_in)
        instruments = _without_running_in_long_passes(instruments, made)
        warmup_s.append(whole(made).timing.latency_s)
    report(Stage.memory, 0, 1)
    with instruments.peaks() as peak:
        made = time_once(decoder, first, output_tokens, clock, runs_in=instruments.runs_in)
    instruments = _without_running_in_long_passes(instruments, made)
    untimed = whole(made)
    if alone < warmup:
        warmup_s.append(untimed.timing.latency_s)
    samples: list[Timed] = []
    stopped_by, spent_s = None, 0.0
    while stopped_by is None:
        report(Stage.repeats, len(samples), max(rule.least, len(samples) + 1))
        batch = batch_of(len(samples))
        with instruments.watch() as seen:
            _settle(decoder, batch, output_tokens, instruments)
            timed = _sample(decoder, batch, output_tokens, instruments)
        spent_s += timed.timing.host_latency_s
        samples.append(replace(whole(timed), conditions=seen.conditions))
        stopped_by = rule.verdict([sample.timing.latency_s for sample in samples], spent_s)
    return Measured(
        samples=tuple(samples), stopped_by=stopped_by, warmup_s=tuple(warmup_s), peaks=peak, untimed=untimed.generation
    )


def _without_running_in_long_passes(instruments: Instruments, made: Timed) -> Instruments:
    """The instruments for what comes after a generation whose forward passes took so long."""
    return replace(instruments, runs_in=min(made.timing.step_s, default=0.0) < LONG_PASS_S)


def _settle(decoder: Decoder, batch: Batch, output_tokens: int, instruments: Instruments) -> None:
    """Keep the device at the work that is timed next, until its clocks and its power are those of a long run.

    A decoder keeps nothing from one generation to the next, so that one may end amid its passes.
    """
    if instruments.settle_s is None:
        return
    settling = _Settling(instruments.clock, instruments.settle_s)
    while not settling.is_over():
        with suppress(_SettledError):
            decoder.decode(batch, output_tokens, _Untimed(settling, runs_in=instruments.runs_in))


def _sample(decoder: Decoder, batch: Batch, output_tokens: int, instruments: Instruments) -> Timed:
    """One generation; of those made in part the mean of as many as take `settle_s`.

    A clock at its power limit swings by a tenth within a third of a second, so that a few passes alone meet any of it.
    """
    clock, settle_s = instruments.clock, instruments.settle_s
    if instruments.complete is None or settle_s is None:
        return time_once(decoder, batch, output_tokens, clock, runs_in=instruments.runs_in)
    made: list[Timed] = []
    while not made or sum(each.timing.latency_s for each in made) < settle_s:
        made.append(time_once(decoder, batch, output_tokens, clock, settle_s, runs_in=instruments.runs_in))
    return mean_of(made)


def mean_of(made: Sequence[Timed]) -> Timed:
    """The first of some generations of one batch, with the means of all their times."""
    timings = [each.timing for each in made]
    steps = zip(*(each.step_s for each in timings), strict=True)
    prefills = [each.prefill_s for each in timings if each.prefill_s is not None]
    return replace(
        made[0],
        timing=Timing(
            latency_s=fmean(each.latency_s for each in timings),
            host_latency_s=fmean(each.host_latency_s for each in timings),
            prefill_s=fmean(prefills) if prefills else None,
            step_s=tuple(map(fmean, steps)),
        ),
        of_generations=len(made),
    )


def time_once(
    decoder: Decoder,
    batch: Batch,
    output_tokens: int,
    clock: Clock,
    settle_s: float | None = None,
    *,
    runs_in: bool = True,
) -> Timed:
    """One sample: synchronise, mark, work, mark, synchronise. A decoder may settle the device amid it, untimed."""
    marks = _Marks(clock, settle_s, runs_in=runs_in)
    clock.synchronize()
    host_start = time.perf_counter_ns()
    start = clock.mark()
    generation = decoder.decode(batch, output_tokens, marks)
    end = clock.mark()
    clock.synchronize()
    host_latency_s = (time.perf_counter_ns() - host_start) * 1e-9
    prefill_s, step_s = _phases(start, marks.ends)
    timing = Timing(
        latency_s=end.seconds_since(start), host_latency_s=host_latency_s, prefill_s=prefill_s, step_s=step_s
    )
    return Timed(generation=generation, timing=timing)


def _as_it_is(timed: Timed) -> Timed:
    return timed


def _phases(start: Mark, ends: list[tuple[Phase, Mark]]) -> tuple[float | None, tuple[float, ...]]:
    starts = [start, *(mark for _, mark in ends)]
    lasted = [(phase, end.seconds_since(before)) for before, (phase, end) in zip(starts, ends, strict=False)]
    prefill_s = next((seconds for phase, seconds in lasted if phase is Phase.prefill), None)
    return prefill_s, tuple(seconds for phase, seconds in lasted if phase is Phase.step)
