from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
import torch

from benchmark.decoders.interface import Batch, Generation, Phase, Phases, make_batch
from benchmark.hardware.clock import Mark
from benchmark.hardware.monitor import Seen
from benchmark.measurement.measure import Instruments, Measured, measure, time_once
from benchmark.measurement.peak_memory import Peaks
from benchmark.measurement.stopping import Rule
from benchmark.util.progress import Stage
from crossover.records.machine import Conditions
from crossover.records.record import StoppedBy
from crossover.records.settings import Stopping
from tests.checkpoints import CPU

BATCHES = [make_batch([[row]], [row], CPU) for row in range(3)]


@dataclass(frozen=True)
class FakeMark:
    seconds: float

    def seconds_since(self, earlier: Mark) -> float:
        assert isinstance(earlier, FakeMark)
        return self.seconds - earlier.seconds


@dataclass
class FakeClock:
    """A device's clock that moves when the fake decoder works, and a list of what was asked of it."""

    now: float = 100.0
    calls: list[str] = field(default_factory=list)

    def synchronize(self) -> None:
        self.calls.append("synchronize")

    def mark(self) -> FakeMark:
        self.calls.append("mark")
        return FakeMark(self.now)


@dataclass
class FakeDecoder:
    """Takes 3 s for a prefill, if any, then `step_s` a step; the n-th decoding is n s slower at its end."""

    clock: FakeClock
    prefill: bool = True
    steps: int = 2
    step_s: float = 0.5
    prompts: list[int] = field(default_factory=list)
    busy: bool = False
    runs_in: list[bool] = field(default_factory=list)

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        del batch, output_tokens
        return 0.0

    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        self.busy = True
        self.clock.calls.append("decode")
        self.runs_in.append(phases.runs_in())
        if self.prefill:
            self._work(3.0, Phase.prefill, phases)
        for _ in range(self.steps):
            self._work(self.step_s, Phase.step, phases)
        self.clock.now += len(self.prompts)
        self.prompts.append(int(batch.tokens_BP[0, 0]))
        self.busy = False
        return Generation(
            tokens_BN=torch.full((1, output_tokens), len(self.prompts)), forward_passes=self.steps + self.prefill
        )

    def _work(self, seconds: float, phase: Phase, phases: Phases) -> None:
        self.clock.now += seconds
        phases.mark(phase)


@contextmanager
def no_peaks() -> Iterator[Peaks]:
    yield Peaks()


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    """Nobody watches."""


@contextmanager
def unwatched() -> Iterator[Seen]:
    yield Seen()


def with_instruments(clock: FakeClock, **changes: Any) -> Instruments:
    return replace(Instruments(clock=clock, peaks=no_peaks, watch=unwatched), **changes)


THREE = Rule(least=3, stopping=None)


def measured(decoder: FakeDecoder, warmup: int = 3, rule: Rule = THREE, **instruments: Any) -> Measured:
    return measure(
        decoder,
        lambda sample: BATCHES[sample % 3],
        4,
        instruments=with_instruments(decoder.clock, **instruments),
        rule=rule,
        warmup=warmup,
        report=ignore,
    )


def test_latency_lasts_from_the_start_to_the_end_of_the_decoding() -> None:
    decoder = FakeDecoder(FakeClock(), prompts=[0, 0])
    timing = time_once(decoder, BATCHES[0], 4, decoder.clock).timing
    assert timing.latency_s == 3.0 + 2 * 0.5 + 2.0


def test_prefill_and_steps_are_the_times_between_their_marks() -> None:
    decoder = FakeDecoder(FakeClock(), steps=3)
    timing = time_once(decoder, BATCHES[0], 4, decoder.clock).timing
    assert timing.prefill_s == 3.0
    assert timing.step_s == (0.5, 0.5, 0.5)


def test_a_decoder_without_a_prefill_has_none_and_its_first_step_begins_at_the_start() -> None:
    decoder = FakeDecoder(FakeClock(), prefill=False)
    timing = time_once(decoder, BATCHES[0], 4, decoder.clock).timing
    assert timing.prefill_s is None
    assert timing.step_s == (0.5, 0.5)


def test_the_device_is_waited_for_before_the_first_mark_and_after_the_last_and_never_between() -> None:
    decoder = FakeDecoder(FakeClock(), steps=1)
    time_once(decoder, BATCHES[0], 4, decoder.clock)
    assert decoder.clock.calls == ["synchronize", "mark", "decode", "mark", "mark", "mark", "synchronize"]


def test_the_host_clock_goes_round_all_marks_and_waits_for_the_end_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class SlowClock(FakeClock):
        host_ns = 0

        def synchronize(self) -> None:
            self.host_ns += 7_000_000_000

        def mark(self) -> FakeMark:
            self.host_ns += 100_000_000
            return super().mark()

    clock = SlowClock()
    monkeypatch.setattr("benchmark.measurement.measure.time.perf_counter_ns", lambda: clock.host_ns)
    timing = time_once(FakeDecoder(clock, steps=3), BATCHES[0], 4, clock).timing
    assert timing.host_latency_s == pytest.approx(7.0 + (1 + 4 + 1) * 0.1)


def test_warm_up_is_kept_apart_from_the_samples() -> None:
    result = measured(FakeDecoder(FakeClock()))
    assert result.warmup_s == (4.0, 5.0, 6.0)
    assert [sample.timing.latency_s for sample in result.samples] == [7.0, 8.0, 9.0]


def test_without_warm_up_memory_is_watched_all_the_same_and_the_samples_are_as_many() -> None:
    decoder = FakeDecoder(FakeClock())
    result = measured(decoder, warmup=0)
    assert result.warmup_s == ()
    assert (len(decoder.prompts), len(result.samples)) == (4, 3)


def test_each_sample_decodes_its_own_batch_and_the_passes_before_them_the_first() -> None:
    decoder = FakeDecoder(FakeClock())
    result = measured(decoder)
    assert decoder.prompts == [0, 0, 0, 0, 1, 2]
    assert [int(sample.generation.tokens_BN[0, 0]) for sample in result.samples] == [4, 5, 6]


def test_marks_of_one_sample_do_not_show_in_the_next() -> None:
    assert [len(sample.timing.step_s) for sample in measured(FakeDecoder(FakeClock())).samples] == [2, 2, 2]


def test_memory_is_watched_during_the_last_warm_up() -> None:
    decoder = FakeDecoder(FakeClock())
    seen: list[int] = []

    @contextmanager
    def peaks() -> Iterator[Peaks]:
        watched = Peaks()
        seen.append(len(decoder.prompts))
        yield watched
        seen.append(len(decoder.prompts))
        watched.resident_bytes = 42

    result = measured(decoder, peaks=peaks)
    assert seen == [2, 3]
    assert result.peaks.resident_bytes == 42
    assert result.warmup_s[-1] == 6.0
    assert [sample.timing.latency_s for sample in result.samples] == [7.0, 8.0, 9.0]


def test_each_sample_follows_on_untimed_generations_for_as_long_as_the_device_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = FakeDecoder(FakeClock())
    monkeypatch.setattr("benchmark.measurement.measure.time.perf_counter", lambda: decoder.clock.now)
    result = measured(decoder, warmup=0, settle_s=9.0)
    assert decoder.prompts == [0, 0, 0, 1, 1, 2, 2], "the n-th takes n + 3 s, the first for memory"
    ended = "untimed are 5 + 4 s, where the second ends with its last step, 7 + 3 s, with its prefill, and 9 s"
    assert decoder.clock.calls.count("decode") == 9, ended
    assert [sample.timing.step_s for sample in result.samples] == [(0.5, 0.5)] * 3


def test_a_sample_of_generations_in_part_is_the_mean_of_as_many_as_take_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = FakeDecoder(FakeClock(), prefill=False)
    monkeypatch.setattr("benchmark.measurement.measure.time.perf_counter", lambda: decoder.clock.now)
    rule = Rule(least=1, stopping=None)
    (sample,) = measured(decoder, warmup=0, rule=rule, settle_s=8.0, complete=lambda timed: timed).samples
    assert len(decoder.prompts) == 1 + 3 + 2, "the n-th takes n + 1 s: 2 + 3 + 4 untimed, then 5 + 6"
    assert sample.timing.latency_s == pytest.approx((5 + 6) / 2)
    assert (sample.timing.step_s, sample.of_generations) == ((0.5, 0.5), 2)


@pytest.mark.parametrize(("step_s", "asked"), [(0.5, {True: 1, False: 5}), (0.2, {True: 6})])
def test_long_passes_are_run_in_until_one_was_timed(step_s: float, asked: dict[bool, int]) -> None:
    """The host queues them in a thousandth of their time, so that the device does not wait behind a gap."""
    decoder = FakeDecoder(FakeClock(), step_s=step_s)
    measured(decoder)
    assert Counter(decoder.runs_in) == asked


def test_progress_is_reported_between_samples_and_never_inside_one() -> None:
    clock = FakeClock()
    decoder = FakeDecoder(clock)
    reports: list[tuple[Stage, int, int]] = []

    def report(stage: Stage, done: int, total: int) -> None:
        assert not decoder.busy
        clock.calls.append("report")
        reports.append((stage, done, total))

    measure(decoder, BATCHES.__getitem__, 4, instruments=with_instruments(clock), rule=THREE, warmup=3, report=report)
    assert reports == [
        (Stage.warmup, 0, 3),
        (Stage.warmup, 1, 3),
        (Stage.memory, 0, 1),
        (Stage.repeats, 0, 3),
        (Stage.repeats, 1, 3),
        (Stage.repeats, 2, 3),
    ]
    inside = ["synchronize", "mark", "decode", "mark", "mark", "mark", "mark", "synchronize"]
    assert clock.calls == ["report", *inside] * 6


def test_samples_are_taken_until_the_rule_has_enough() -> None:
    decoder = FakeDecoder(FakeClock())
    decoder.prompts = [0] * 1000  # about 1000 s each, one second more every time
    result = measured(decoder, rule=Rule(least=3, stopping=Stopping(interval=0.01, budget_s=1e9)))
    assert result.stopped_by is StoppedBy.precision
    assert len(result.samples) == 6  # the fewest that have an interval; it is 5 s wide
    assert measured(FakeDecoder(FakeClock())).stopped_by is StoppedBy.repeats


def test_a_budget_is_that_of_the_samples_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr("benchmark.measurement.measure.time.perf_counter_ns", lambda: round(clock.now * 1e9))
    result = measured(FakeDecoder(clock), rule=Rule(least=1, stopping=Stopping(interval=0.01, budget_s=20.0)))
    assert result.stopped_by is StoppedBy.budget
    assert [sample.timing.latency_s for sample in result.samples] == [7.0, 8.0, 9.0]  # 15 s are not enough, 24 s are


def test_each_sample_and_nothing_else_is_watched() -> None:
    decoder = FakeDecoder(FakeClock())
    around: list[int] = []

    @contextmanager
    def watch() -> Iterator[Seen]:
        seen = Seen()
        around.append(len(decoder.prompts))
        yield seen
        around.append(len(decoder.prompts))
        seen.conditions = Conditions(foreign_cpu_cores=float(len(around)))

    result = measured(decoder, watch=watch)
    assert around == [3, 4, 4, 5, 5, 6]
    assert [sample.conditions.foreign_cpu_cores for sample in result.samples] == [2.0, 4.0, 6.0]


def test_the_memory_passs_output_is_kept_for_comparison() -> None:
    assert int(measured(FakeDecoder(FakeClock())).untimed.tokens_BN[0, 0]) == 3


def test_the_budget_is_spent_by_the_host_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 s a sample by the host's clock, 7, 8 and 9 by the device's: 25 s are spent with the third sample."""
    host_ns = count(step=10_000_000_000)
    monkeypatch.setattr("benchmark.measurement.measure.time.perf_counter_ns", lambda: next(host_ns))
    result = measured(FakeDecoder(FakeClock()), rule=Rule(least=2, stopping=Stopping(interval=0.03, budget_s=25.0)))
    assert len(result.samples) == 3
    assert result.stopped_by is StoppedBy.budget
