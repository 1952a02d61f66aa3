"""What a run's record says of the protocol, from end to end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.decoders.factory import Ran, Ready
from benchmark.decoders.interface import Batch, Decoder, Generation, Phase, Phases
from benchmark.execution import pipeline
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.hardware.monitor import Seen
from benchmark.roofline import estimate
from crossover.errors import UserError
from crossover.records.machine import Conditions, Label, Verdict
from crossover.records.record import Failure, FailureKind, Measurement, Record, StoppedBy
from crossover.records.run import Run
from crossover.records.settings import Device, Prompts, Stopping
from tests.factories import a_run, an_autoregressive_run


@pytest.fixture
def diffusion(llada: Path, prompts: Prompts) -> Run:
    return a_run(model=replace(a_run().model, checkpoint=str(llada)), prompts=prompts, judge=None)


@pytest.fixture
def autoregressive(llama: Path, prompts: Prompts) -> Run:
    model = replace(an_autoregressive_run().model, checkpoint=str(llama))
    return an_autoregressive_run(model=model, prompts=prompts, judge=None, warmup=0)


@pytest.fixture
def decoded_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[Decoder], None]:
    """Have every run decoded by what the test gives."""

    def use(decoder: Decoder) -> None:
        def ready(run: Run, *_: object) -> Ready:
            return Ready(decoder=decoder, ran=Ran(engine=run.engine, attention="none", fallback=None, preparing_s=0.0))

        monkeypatch.setattr(pipeline, "ready_decoder", ready)

    return use


class WornDecoder:
    """Writes the sum of its batch's first tokens, and something else after so many calls."""

    def __init__(self, steady_calls: int, passes: int = 8, tokens: int = 8) -> None:
        self._left, self._passes, self._tokens = steady_calls, passes, tokens

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        del batch, output_tokens
        return 0.0

    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        for token in range(output_tokens):
            phases.mark(Phase.step if token else Phase.prefill)
        self._left -= 1
        token = 10 + int(batch.tokens_BP[:, 0].sum()) + min(0, self._left)
        tokens_BN = torch.full((len(batch.tokens_BP), self._tokens), token)
        return Generation(tokens_BN=tokens_BN, forward_passes=self._passes)


def run_it(run: Run) -> Record:
    return execute(
        run, sweep="", models=ModelCache(), report=lambda *_: None, config='{"uri": "http://me:secret@host"}'
    )


def measurement(run: Run) -> Measurement:
    record = run_it(run)
    assert record.measurement is not None, record.failure
    return record.measurement


def failure(run: Run) -> Failure:
    record = run_it(run)
    assert record.failure is not None
    return record.failure


def test_a_steady_decoder_is_measured(autoregressive: Run, decoded_by: Callable[[Decoder], None]) -> None:
    decoded_by(WornDecoder(99))
    assert len(measurement(autoregressive).samples) == 2


@pytest.mark.parametrize(
    ("decoder", "words"),
    [
        (WornDecoder(1), "16 of 16 tokens differ between two repeats on the same prompts"),
        (WornDecoder(99, passes=7), "the decoder made 7 forward passes where its schedule has 8"),
        (WornDecoder(99, tokens=9), "the output has 2 x 9 tokens, not 2 x 8"),
    ],
)
def test_a_run_that_did_other_work_is_no_measurement(
    autoregressive: Run, decoded_by: Callable[[Decoder], None], decoder: Decoder, words: str
) -> None:
    decoded_by(decoder)
    assert failure(autoregressive) == Failure(kind=FailureKind.invalid, message=words)


def test_a_disturbed_run_is_labelled_and_if_strict_a_failure(
    autoregressive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def disturbed() -> Iterator[Seen]:
        yield Seen(conditions=Conditions(foreign_cpu_cores=64.0))

    monkeypatch.setattr(pipeline, "watch", lambda **_: disturbed)
    measured = measurement(autoregressive)
    assert [sample.labels for sample in measured.samples] == [(Label.busy_cpu,)] * 2
    assert measured.watched is not None
    assert measured.watched.verdict is Verdict.disturbed
    failed = failure(replace(autoregressive, strict=True))
    assert failed.kind is FailureKind.disturbed
    assert failed.message.startswith("CPU busy with other processes in 2 of 2 samples, and strict=true")


def test_both_arms_have_the_same_prompts_and_the_record_says_so(autoregressive: Run, diffusion: Run) -> None:
    (digest,) = {measurement(run).prompts_digest for run in (autoregressive, diffusion)}
    fewer = replace(autoregressive, prompts=replace(autoregressive.prompts, count=2))
    assert measurement(fewer).prompts_digest != digest


def test_the_record_says_what_was_asked_of_which_weights_and_nothing_secret(autoregressive: Run) -> None:
    fingerprint = run_it(autoregressive).fingerprint
    assert fingerprint is not None
    assert fingerprint.config == '{"uri": "http://***@host"}'
    assert fingerprint.weights_sha256 is not None


def test_a_run_is_held_against_its_device_and_its_prediction(diffusion: Run) -> None:
    record = run_it(diffusion)
    assert record.prediction is not None
    assert record.prediction.latency_s > 0
    assert record.measurement is not None
    limits = record.measurement.limits
    assert limits is not None
    assert 0 < limits.floor_share < 1
    assert max(limits.matrix_share, limits.copy_share) <= limits.floor_share * 1.000001  # but for rounding


def test_a_run_that_fails_keeps_its_prediction(diffusion: Run) -> None:
    record = run_it(replace(diffusion, prompts=replace(diffusion.prompts, count=9)))
    assert record.failure is not None
    assert record.prediction is not None


def test_a_device_that_cannot_be_measured_fails_no_run(diffusion: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("too full")

    monkeypatch.setattr(estimate, "ceilings", out_of_memory)
    record = run_it(diffusion)
    assert record.measurement is not None
    assert (record.measurement.limits, record.prediction) == (None, None)


def test_the_record_says_why_there_are_no_more_samples(diffusion: Run) -> None:
    assert measurement(diffusion).stopped_by is StoppedBy.repeats
    spent = measurement(replace(diffusion, stopping=Stopping(interval=0.0001, budget_s=0.0)))
    assert (spent.stopped_by, len(spent.samples)) == (StoppedBy.budget, 2)
    assert spent.interval_share is None


def test_a_profile_leaves_the_samples_as_they_are(diffusion: Run) -> None:
    plain, profiled = measurement(diffusion), measurement(replace(diffusion, profile=True))
    assert plain.profile is None
    assert len(profiled.samples) == len(plain.samples)
    assert profiled.generated == plain.generated
    profile = profiled.profile
    assert profile is not None
    assert profile.energy is None
    seconds = {kind.kind: kind.seconds for kind in profile.kinds}
    assert list(seconds) == ["matrix", "attention", "head", "other", "idle"]
    assert all(seconds[kind] > 0 for kind in ("matrix", "attention", "head", "other"))
    assert sum(seconds.values()) == pytest.approx(profile.latency_s, rel=0.01)
    assert len(profile.memory) == 1 + 4
    assert [point.cache_bytes for point in profile.memory] == [0] * 5


def test_a_gpu_that_is_demanded_and_not_there_is_a_clear_failure(diffusion: Run) -> None:
    failed = failure(replace(diffusion, device=Device.cuda, gpu="A100 80GB"))
    assert failed.kind is FailureKind.error
    assert "PyTorch finds no CUDA GPU here" in failed.message


def test_a_strict_run_on_a_gpu_that_nobody_can_watch_is_refused_before_anything_is_loaded(
    diffusion: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise UserError("nobody can watch it")

    monkeypatch.setattr(pipeline, "require_device", lambda _: None)
    monkeypatch.setattr(pipeline, "require_watched", refuse)
    monkeypatch.setattr(pipeline, "measure_run", lambda *_: pytest.fail("it was loaded"))
    failed = failure(replace(diffusion, device=Device.cuda, strict=True))
    assert failed == Failure(kind=FailureKind.error, message="nobody can watch it")


def test_a_strict_run_on_a_cpu_needs_no_gpu_to_watch(diffusion: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def quiet() -> Iterator[Seen]:
        yield Seen(conditions=Conditions(foreign_cpu_cores=0.0))

    monkeypatch.setattr(pipeline, "watch", lambda **_: quiet)
    assert measurement(replace(diffusion, strict=True)).watched is not None
