import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.decoders.factory import Ran, Ready, ready_decoder
from benchmark.decoders.interface import Batch, Decoder, Generation, Phase, Phases
from benchmark.execution import pipeline
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.outputs import batch_rows
from benchmark.execution.pipeline import execute
from benchmark.util.progress import Stage
from crossover.records.policies import Cache, CacheName
from crossover.records.record import FailureKind
from crossover.records.run import Run
from crossover.records.settings import Device, Encoder, Engine, HeldOut
from tests.checkpoints import (
    END_ID,
    write_encoder,
    write_llama,
)
from tests.executing import failure, measurement, run_it
from tests.factories import from_json

BOTH_BOUNDS = HeldOut(documents=2, samples=4, orders=3)


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


def test_what_a_document_shares_with_others_stands_beside_its_scores(autoregressive: Run) -> None:
    file = Path(autoregressive.prompts.source)
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("\n".join(json.dumps({**each, "cluster": index // 2}) for index, each in enumerate(documents)))
    measured = measurement(autoregressive)
    assert [score.cluster for score in (*measured.scores, *measured.human)] == ["0", "0", "1"] * 2


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
    failed = failure(replace(autoregressive, likelihood=HeldOut(documents=4, samples=None, orders=None)))
    assert failed.kind is FailureKind.infeasible
    assert "this run needs 4: lower batch, prompts.count or likelihood.documents" in failed.message


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

    assert diffusion.diffusion is not None
    cached = replace(diffusion.diffusion, cache=Cache(name=CacheName.dual))
    run = replace(diffusion, diffusion=cached, likelihood=BOTH_BOUNDS, profile=True, staleness=True, warmup=2)
    execute(run, sweep="", models=ModelCache(), report=report)
    assert list(dict.fromkeys(stages)) == list(Stage)


def test_prompts_that_only_fill_a_batch_are_not_scored(diffusion: Run) -> None:
    measured = measurement(replace(diffusion, batch=3, prompts=replace(diffusion.prompts, count=2)))
    assert len(measured.generated) == len(measured.scores) == 2
    assert all(len(sample.prompts) == 3 for sample in measured.samples)


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
    profile = measurement(replace(autoregressive, engine=Engine.compiled, profile=True)).profile
    assert profile is not None
    held = [point.cache_bytes for point in profile.memory]
    assert len(set(held)) == len(held) == 9  # it grows with every token; a compiled one is whole from the start


def test_memory_that_an_earlier_point_left_is_given_back_before_the_next_takes_its_own(
    diffusion: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small tensor in a large free piece of memory would keep that piece, and show in the peak of a small point."""
    done: list[str] = []

    def prepared(*given: Any) -> Ready:
        done.append("prepared")
        return ready_decoder(*given)

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append("given back"))
    monkeypatch.setattr(pipeline, "ready_decoder", prepared)
    models = ModelCache()
    for batch in (2, 1):
        record = execute(replace(diffusion, batch=batch), sweep="", models=models, report=lambda *_: None)
        assert record.failure is None
        assert done[-2:] == ["given back", "prepared"]
        done.clear()
