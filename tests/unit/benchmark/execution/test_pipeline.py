import json
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.decoders.factory import Ran, Ready, ready_decoder
from benchmark.decoders.interface import Batch, Decoder, Generation, Phase, Phases
from benchmark.execution import pipeline
from benchmark.execution.model_cache import LoadedModel, ModelCache
from benchmark.execution.outputs import batch_rows
from benchmark.execution.pipeline import execute
from benchmark.util.progress import Stage
from crossover.errors import UserError
from crossover.records.record import Failure, FailureKind, Measurement, Record
from crossover.records.run import Run
from crossover.records.settings import Device, Encoder, Engine, HeldOut, Judge, Precision, Prompts
from tests.checkpoints import (
    END_ID,
    HIDDEN,
    llama_settings,
    llama_tensors,
    write_checkpoint,
    write_encoder,
    write_llama,
)
from tests.factories import a_diffusion, a_run, an_autoregressive_run, from_json

BOTH_BOUNDS = HeldOut(documents=2, samples=4, orders=3)


class BrokenCache(ModelCache):
    """A models on which every model falls over."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def get(self, run: Run) -> LoadedModel:  # noqa: ARG002
        raise self._error


def scripted(decoder: Decoder) -> Ready:
    ran = Ran(engine=Engine.eager, attention="none", fallback=None, preparing_s=0.0)
    return Ready(decoder=decoder, ran=ran)


class ScriptedDecoder:
    """Writes the outputs that it was given, row by row of each batch, whatever the prompts are."""

    def __init__(self, outputs: dict[int, list[int]]) -> None:
        self._outputs = outputs
        self.streams: list[list[int]] = []

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        del batch, output_tokens
        return 0.0

    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        mark_tokens(phases, output_tokens)
        self.streams.append(batch.streams_B.tolist())
        rows = [self._outputs[int(prompt[0])] for prompt in batch.tokens_BP]
        return Generation(tokens_BN=torch.tensor(rows), forward_passes=8)


def mark_tokens(phases: Phases, output_tokens: int) -> None:
    """As a continuation that takes no time."""
    for token in range(output_tokens):
        phases.mark(Phase.step if token else Phase.prefill)


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    """Three documents of 20 words; the n-th begins with word n + 3."""
    lines = [
        json.dumps({"id": f"doc-{i}", "text": " ".join(f"w{3 + (i + place) % 20}" for place in range(20))})
        for i in range(3)
    ]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    return Prompts(source=str(tmp_path / "prompts.jsonl"), count=3)


@pytest.fixture
def diffusion(llada: Path, llama: Path, prompts: Prompts) -> Run:
    judge = Judge(checkpoint=str(llama), revision=None, precision=Precision.float32)
    return a_run(model=replace(a_run().model, checkpoint=str(llada)), prompts=prompts, judge=judge)


@pytest.fixture
def autoregressive(llama: Path, prompts: Prompts) -> Run:
    model = replace(an_autoregressive_run().model, checkpoint=str(llama))
    return an_autoregressive_run(model=model, prompts=prompts, judge=None)


def run_it(run: Run, models: ModelCache | None = None) -> Record:
    return execute(run, sweep="sweep-1", models=models or ModelCache(), report=ignore)


def measurement(run: Run) -> Measurement:
    record = run_it(run)
    assert record.failure is None
    assert record.measurement is not None
    return record.measurement


def failure(run: Run, models: ModelCache | None = None) -> Failure:
    record = run_it(run, models)
    assert record.measurement is None
    assert record.failure is not None
    return record.failure


def test_a_record_says_what_ran_when_and_where(diffusion: Run) -> None:
    before = datetime.now(UTC)
    record = run_it(diffusion)
    assert (record.run, record.key, record.name, record.sweep) == (diffusion, diffusion.key, diffusion.name, "sweep-1")
    moments = [datetime.fromisoformat(moment) for moment in (record.started_at, record.finished_at)]
    assert before <= moments[0] <= moments[1] <= datetime.now(UTC)
    assert record.environment is not None
    assert record.environment.torch == torch.__version__
    assert record.environment.gpu is None
    assert from_json(record.to_json()) == record


def test_a_diffusion_run_has_steps_and_no_prefill(diffusion: Run) -> None:
    measured = measurement(diffusion)
    assert measured.forward_passes == 4
    assert len(measured.warmup_s) == diffusion.warmup
    assert [(sample.prefill_s, len(sample.step_s)) for sample in measured.samples] == [(None, 4), (None, 4)]
    assert all(0 < sum(sample.step_s) <= sample.latency_s <= sample.host_latency_s for sample in measured.samples)


def test_an_autoregressive_run_has_a_prefill_and_a_step_for_each_other_token(autoregressive: Run) -> None:
    measured = measurement(autoregressive)
    assert measured.forward_passes == 8
    assert [len(sample.step_s) for sample in measured.samples] == [7, 7]
    assert all(sample.prefill_s is not None and sample.prefill_s > 0 for sample in measured.samples)


def test_on_a_cpu_memory_is_the_resident_set_and_the_weights_have_their_share(diffusion: Run) -> None:
    memory = measurement(diffusion).memory
    assert memory.max_reserved_bytes is None
    assert memory.max_allocated_bytes is None
    assert memory.max_resident_bytes is not None
    assert memory.max_resident_bytes > memory.weights_bytes > 0


def test_each_prompt_is_read_back_once_with_its_true_continuation(diffusion: Run) -> None:
    generated = measurement(diffusion).generated
    assert [text.prompt_id for text in generated] == ["doc-0", "doc-1", "doc-2"]
    assert generated[1].prompt == "w4 w5 w6 w7 w8 w9 w10 w11"
    assert generated[1].reference == "w12 w13 w14 w15 w16 w17 w18 w19"
    assert all(len(text.tokens) == 8 for text in generated)


def test_every_text_is_scored_by_the_judge_and_only_if_there_is_one(diffusion: Run, autoregressive: Run) -> None:
    judged, unjudged = measurement(diffusion), measurement(autoregressive)
    assert [score.prompt_id for score in judged.scores] == [text.prompt_id for text in judged.generated]
    assert all(score.nll_nats is not None and score.nll_nats > 0 for score in judged.scores)
    assert [score.nll_nats for score in unjudged.scores] == [None] * 3


def test_the_true_continuations_are_scored_beside_the_outputs(diffusion: Run, autoregressive: Run) -> None:
    judged, unjudged = measurement(diffusion), measurement(autoregressive)
    assert [score.prompt_id for score in judged.human] == [text.prompt_id for text in judged.generated]
    assert [score.text_bytes for score in judged.human] == [len(text.reference) for text in judged.generated]
    assert all(score.nll_nats and score.entropy_nats == pytest.approx(math.log(8)) for score in judged.human)
    assert [score.nll_nats for score in unjudged.human] == [None] * 3


def test_a_judge_may_live_elsewhere(diffusion: Run) -> None:
    elsewhere: Any = replace(diffusion.judge, device=Device.cuda)  # type: ignore[type-var]
    assert "no CUDA GPU" in str(measurement(replace(diffusion, judge=elsewhere)).quality_failure)


def test_the_encoder_compares_each_text_with_its_true_continuation(autoregressive: Run, tmp_path: Path) -> None:
    encoder = Encoder(checkpoint=str(write_encoder(tmp_path)), revision=None, layer=1)
    scores = measurement(replace(autoregressive, encoder=encoder)).scores
    assert all(score.bertscore_f1 is not None and 0 < score.bertscore_f1 <= 1 for score in scores)


def test_likelihood_is_exact_for_one_family_and_two_bounds_for_the_other(diffusion: Run, autoregressive: Run) -> None:
    exact = measurement(replace(autoregressive, likelihood=HeldOut(documents=2, samples=None, orders=None))).likelihood
    assert [(one.prompt_id, one.text_bytes, one.nats_se, one.k_step_nats) for one in exact] == [
        ("doc-0", len("w11 w12 w13 w14 w15 w16 w17 w18"), None, None),
        ("doc-1", len("w12 w13 w14 w15 w16 w17 w18 w19"), None, None),
    ]
    for one in measurement(replace(diffusion, likelihood=BOTH_BOUNDS)).likelihood:
        assert None not in (one.nats_se, one.k_step_nats, one.k_step_nats_se, one.sampler_nats)
    assert [one.sampler_nats for one in exact] == [one.nats for one in exact]
    assert measurement(diffusion).likelihood == ()


def test_likelihood_needs_its_documents_before_anything_is_timed(autoregressive: Run) -> None:
    found = failure(replace(autoregressive, likelihood=HeldOut(documents=4, samples=None, orders=None)))
    assert found.kind is FailureKind.infeasible
    assert "this run needs 4: lower batch, prompts.count or likelihood.documents" in found.message


def test_a_prompts_output_does_not_depend_on_the_batch_it_is_decoded_in(diffusion: Run) -> None:
    sampled = replace(diffusion, temperature=1.0)
    alone, together = (measurement(replace(sampled, batch=batch)).generated for batch in (1, 3))
    assert [text.tokens for text in alone] == [text.tokens for text in together]


def test_the_seed_reaches_the_noise(diffusion: Run) -> None:
    first, second = (measurement(replace(diffusion, temperature=1.0, seed=seed)).generated for seed in (0, 1))
    assert [text.tokens for text in first] != [text.tokens for text in second]


def test_every_prompt_and_seed_has_a_stream_of_its_own(autoregressive: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = ScriptedDecoder({3: [5] * 8, 4: [6] * 8, 5: [7] * 8})
    monkeypatch.setattr(pipeline, "ready_decoder", lambda *_: scripted(decoder))
    for seed in (0, 1):
        measurement(replace(autoregressive, seed=seed, warmup=0))
    memory_0, *zero, memory_1, first, second = decoder.streams
    assert zero == [memory_0, [2, 0]] == [[0, 1], [2, 0]]
    assert first == memory_1
    assert not {0, 1, 2} & {*first, *second}


def test_tokens_count_as_valid_up_to_the_first_end_of_sequence(
    autoregressive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {3: [5] * 8, 4: [6, 6, END_ID, 6, END_ID, 6, 6, 6], 5: [END_ID] * 8}
    monkeypatch.setattr(pipeline, "ready_decoder", lambda *_: scripted(ScriptedDecoder(outputs)))
    measured = measurement(autoregressive)
    assert [sample.valid_tokens for sample in measured.samples] == [(8, 2), (0, 8)]
    assert [sample.prompts for sample in measured.samples] == [(0, 1), (2, 0)]
    assert [text.continuation for text in measured.generated] == ["w5 w5 w5 w5 w5 w5 w5 w5", "w6 w6", ""]
    assert [len(text.tokens) for text in measured.generated] == [8, 8, 8]
    assert measured.judged_until_end
    assert [(score.text_bytes, score.entropy_nats) for score in measured.scores] == [(23, 0.0), (5, 0.0), (0, None)]
    assert measured.generated[1].tokens == tuple(outputs[4])


def test_of_a_prompt_that_is_decoded_twice_the_first_output_counts(
    autoregressive: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CompanionDecoder(ScriptedDecoder):
        """What it writes depends on who else is in the batch."""

        def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
            mark_tokens(phases, output_tokens)
            token = 10 + int(batch.tokens_BP[:, 0].sum())
            return Generation(tokens_BN=torch.full((len(batch.tokens_BP), output_tokens), token), forward_passes=8)

    monkeypatch.setattr(pipeline, "ready_decoder", lambda *_: scripted(CompanionDecoder({})))
    measured = measurement(replace(autoregressive, warmup=0))
    assert [sample.prompts for sample in measured.samples] == [(0, 1), (2, 0)]
    assert [text.tokens[0] for text in measured.generated] == [17, 17, 18]


@pytest.mark.parametrize(
    ("prompts", "batch", "samples", "rows"),
    [
        (4, 2, 2, [(0, 1), (2, 3)]),
        (3, 2, 2, [(0, 1), (2, 0)]),
        (1, 1, 3, [(0,), (0,), (0,)]),
        (4, 4, 1, [(0, 1, 2, 3)]),
    ],
)
def test_samples_go_round_the_prompts(prompts: int, batch: int, samples: int, rows: list[tuple[int, ...]]) -> None:
    assert [batch_rows(prompts, batch, sample) for sample in range(samples)] == rows


def test_a_batch_larger_than_the_count_has_distinct_prompts(autoregressive: Run) -> None:
    run = replace(autoregressive, batch=3, prompts=replace(autoregressive.prompts, count=1))
    assert measurement(run).samples[0].prompts == (0, 1, 2)


def test_the_stages_come_in_their_order(diffusion: Run) -> None:
    stages: list[Stage] = []

    def report(stage: Stage, _done: int, _total: int) -> None:
        stages.append(stage)

    execute(replace(diffusion, likelihood=BOTH_BOUNDS, profile=True), sweep="", models=ModelCache(), report=report)
    assert list(dict.fromkeys(stages)) == list(Stage)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("Tried to allocate"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_running_out_of_memory_is_a_result(error: Exception) -> None:
    found = failure(a_run(), BrokenCache(error))
    assert found == Failure(kind=FailureKind.out_of_memory, message=f"{type(error).__name__}: {error}")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyboardInterrupt(), Failure(kind=FailureKind.interrupted, message="interrupted from the keyboard")),
        (UserError("mend this"), Failure(kind=FailureKind.error, message="mend this")),
        (ZeroDivisionError("our own"), Failure(kind=FailureKind.error, message="ZeroDivisionError: our own")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_goes_wrong_ends_in_a_record(error: BaseException, expected: Failure) -> None:
    assert failure(a_run(), BrokenCache(error)) == expected


def test_an_error_of_our_own_leaves_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        failure(a_run(), BrokenCache(ZeroDivisionError("our own")))
    assert "ZeroDivisionError: our own" in caplog.text
    assert "Traceback" in caplog.text


def test_a_failure_still_knows_its_environment_and_its_times() -> None:
    record = run_it(a_run(), BrokenCache(MemoryError()))
    assert record.environment is not None
    assert record.started_at <= record.finished_at


def test_an_infeasible_run_loads_no_model() -> None:
    run = a_run(diffusion=a_diffusion(steps=9))
    found = failure(run, BrokenCache(AssertionError("a model was asked for")))
    assert found == Failure(kind=FailureKind.infeasible, message=str(run.infeasible))


def with_too_few_documents(run: Run) -> Run:
    return replace(run, prompts=replace(run.prompts, count=4))


def with_a_longer_context_than_its_checkpoints(run: Run) -> Run:
    return replace(run, model=replace(run.model, context=200), length=100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_too_few_documents, "holds 3 documents of at least 16 tokens and this run needs 4"),
        (with_a_longer_context_than_its_checkpoints, "length=100 is more than the checkpoint's context of 64"),
    ],
)
def test_what_only_shows_when_the_model_is_there_is_infeasible_too(
    autoregressive: Run, change: Callable[[Run], Run], message: str
) -> None:
    found = failure(change(autoregressive))
    assert found.kind is FailureKind.infeasible
    assert message in found.message


def test_a_checkpoint_that_is_not_there_is_an_error_in_the_users_words(autoregressive: Run) -> None:
    found = failure(replace(autoregressive, model=replace(autoregressive.model, checkpoint="./nowhere")))
    assert found.kind is FailureKind.error
    assert found.message.startswith("checkpoint './nowhere': there is no such folder")


def test_a_model_whose_weights_are_not_finite_makes_its_run_invalid(autoregressive: Run, tmp_path: Path) -> None:
    tensors = llama_tensors() | {"model.norm.weight": torch.full((HIDDEN,), torch.inf)}
    folder = write_checkpoint(tmp_path / "broken", llama_settings(), tensors)
    found = failure(replace(autoregressive, model=replace(autoregressive.model, checkpoint=str(folder))))
    assert found.kind is FailureKind.invalid
    assert "model.safetensors holds numbers that are not finite (NaN or infinity) in model.norm.weight" in found.message


def test_a_judge_that_fails_takes_its_own_figures_along_and_not_the_measurement(diffusion: Run) -> None:
    judge: Any = replace(a_run().judge, checkpoint="./nowhere")  # type: ignore[type-var]
    found = measurement(replace(diffusion, judge=judge))
    assert "checkpoint './nowhere'" in str(found.quality_failure)
    assert all(score.nll_nats is None and score.text_bytes is not None for score in found.scores)
    assert len(found.samples) == diffusion.samples


def test_prompts_that_only_fill_a_batch_are_not_scored(diffusion: Run) -> None:
    found = measurement(replace(diffusion, batch=3, prompts=replace(diffusion.prompts, count=2)))
    assert len(found.generated) == len(found.scores) == 2
    assert all(len(sample.prompts) == 3 for sample in found.samples)


def test_neighbouring_runs_share_a_loaded_model(autoregressive: Run, tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "copy")
    run = replace(autoregressive, model=replace(autoregressive.model, checkpoint=str(folder)))
    models = ModelCache()
    assert run_it(run, models).failure is None
    (folder / "model.safetensors").unlink()
    assert run_it(replace(run, seed=1), models).failure is None
    assert run_it(run).failure is not None


def test_a_profile_is_of_the_engine_that_ran(autoregressive: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        pipeline, "ready_decoder", lambda run, *rest: ready_decoder(replace(run, engine=Engine.eager), *rest)
    )
    found = measurement(replace(autoregressive, engine=Engine.compiled, profile=True)).profile
    assert found is not None
    held = [point.cache_bytes for point in found.memory]
    assert len(set(held)) == len(held) == 9  # it grows with every token; a compiled one is whole from the start
