import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.decoders import diffusion
from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Batch, Phase, Unmarked, make_batch
from benchmark.decoders.policies.factory import make_policy
from benchmark.decoders.schedule import transfers
from benchmark.engines.attention import Plain
from benchmark.engines.eager import EagerCanvas
from benchmark.engines.sampling import head as choice
from benchmark.engines.sampling.head import Head
from benchmark.engines.sampling.noise import cells
from benchmark.models.loading import LanguageModel, load_model
from crossover.records.settings import Family, Remasking
from tests.checkpoints import CPU, MASK_ID, VOCABULARY, random_model
from tests.factories import a_diffusion
from tests.fakes import FakeModel, Marked
from tests.paths import KNOWN_ANSWERS
from tests.references import both_arms as reference
from tests.references.both_arms import Sampling

KNOWN = KNOWN_ANSWERS / "tiny_random_llada"
CASES = json.loads((KNOWN / "cases.json").read_text())
PROMPTS = [[5, 9, 2, 7, 3, 3], [8, 4], [2, 2, 6, 11]]


@pytest.fixture(scope="module")
def published() -> LanguageModel:
    return load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CPU)


def decoder(model: LanguageModel, sampling: Sampling) -> MaskedDiffusionDecoder:
    assert model.mask_id is not None
    settings = a_diffusion(steps=sampling.steps, block_length=sampling.block_length, remasking=sampling.remasking)
    return MaskedDiffusionDecoder(
        passes=EagerCanvas(model, Plain()),
        head=Head(linear=model.head, temperature=sampling.temperature, forbidden_id=model.mask_id),
        mask_id=model.mask_id,
        policy=make_policy(settings, sampling.output_tokens),
        block_length=sampling.block_length,
        guidance_scale=sampling.guidance_scale,
    )


def decode(model: LanguageModel, batch: Batch, sampling: Sampling) -> list[list[int]]:
    generation = decoder(model, sampling).decode(batch, sampling.output_tokens, Unmarked())
    tokens: list[list[int]] = generation.tokens_BN.tolist()
    return tokens


@st.composite
def samplings(draw: st.DrawFn) -> Sampling:
    block_length, blocks = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    return Sampling(
        output_tokens=block_length * blocks,
        steps=blocks * draw(st.integers(1, block_length)),
        block_length=block_length,
        temperature=draw(st.sampled_from([0.0, 0.1, 1.0])),
        remasking=draw(st.sampled_from(Remasking)),
        guidance_scale=draw(st.sampled_from([0.0, 0.5, 2.0])),
    )


token = st.integers(0, VOCABULARY - 1).filter(lambda token: token != MASK_ID)
prompts = st.lists(st.lists(token, min_size=1, max_size=7), min_size=1, max_size=3)


@pytest.mark.parametrize("case", CASES["generate"], ids=str)
def test_the_published_sampling_writes_the_same_tokens(published: LanguageModel, case: dict[str, Any]) -> None:
    batched = "prompts" in case
    rows = case["prompt_ids"] if batched else [case["prompt_ids"]]
    sampling = Sampling(
        output_tokens=case["gen_length"],
        steps=case["steps"],
        block_length=case["block_length"],
        guidance_scale=case.get("cfg_scale", 0.0),
    )
    written = decode(published, make_batch(rows, list(range(len(rows))), CPU), sampling)
    assert written == (case["output_ids"] if batched else [case["output_ids"]])


def test_a_forward_pass_gives_the_logits_of_the_published_model(published: LanguageModel) -> None:
    known = CASES["forward"]
    with torch.inference_mode():
        hidden = published.body(input_ids=torch.tensor([known["input_ids"]]), use_cache=False).last_hidden_state
        logits = published.head(hidden)[0]
    assert logits.argmax(dim=-1).tolist() == known["argmax"]
    assert logits.logsumexp(dim=-1).tolist() == pytest.approx(known["row_logsumexp"], abs=1e-4)
    assert logits[0, :8].tolist() == pytest.approx(known["row0_first8"], abs=1e-4)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(rows=prompts, sampling=samplings(), first_stream=st.integers(0, 2**40))
def test_every_row_of_any_batch_matches_the_plain_reference(
    rows: list[list[int]], sampling: Sampling, first_stream: int
) -> None:
    model = random_model(Family.diffusion)
    streams = [first_stream + row for row in range(len(rows))]
    expected = [reference.diffusion(model, row, stream, sampling) for row, stream in zip(rows, streams, strict=True)]
    assert decode(model, make_batch(rows, streams, CPU), sampling) == expected


@pytest.mark.parametrize("remasking", Remasking)
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_a_row_gives_the_tokens_that_it_gives_alone(remasking: Remasking, temperature: float) -> None:
    model = random_model(Family.diffusion)
    sampling = Sampling(output_tokens=12, steps=6, block_length=6, temperature=temperature, remasking=remasking)
    together = decode(model, make_batch(PROMPTS, [10, 11, 12], CPU), sampling)
    alone = [decode(model, make_batch([row], [10 + i], CPU), sampling)[0] for i, row in enumerate(PROMPTS)]
    assert together == alone


def test_the_seed_changes_sampled_tokens_and_no_greedy_ones() -> None:
    model = random_model(Family.diffusion)
    written = [
        [
            decode(
                model,
                make_batch(PROMPTS, streams, CPU),
                Sampling(output_tokens=8, steps=4, block_length=8, temperature=t),
            )
            for streams in ([0, 1, 2], [3, 4, 5])
        ]
        for t in (0.0, 1.0)
    ]
    assert written[0][0] == written[0][1]
    assert written[1][0] != written[1][1]


@pytest.mark.parametrize(
    ("masked", "steps", "expected"),
    [
        (10, 4, [3, 3, 2, 2]),
        (7, 3, [3, 2, 2]),
        (64, 48, [2] * 16 + [1] * 32),
        (8, 8, [1] * 8),
        (8, 1, [8]),
        (2, 4, [1, 1, 0, 0]),
    ],
)
def test_the_schedule_gives_its_first_steps_what_does_not_divide(masked: int, steps: int, expected: list[int]) -> None:
    assert transfers(masked, steps) == expected


@given(masked=st.integers(1, 2048), steps=st.integers(1, 2048))
def test_the_schedule_writes_every_mask_once(masked: int, steps: int) -> None:
    schedule = transfers(masked, steps)
    assert sum(schedule) == masked
    assert len(schedule) == steps
    assert max(schedule) - min(schedule) <= 1


def test_equal_confidences_are_written_from_left_to_right() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    sampling = Sampling(output_tokens=4, steps=4, block_length=4)
    decode(fake.model, make_batch([[1, 1]], [0], CPU), sampling)
    assert [canvas[0] for canvas in fake.body.canvases] == [
        [1, 1, 3, 3, 3, 3],
        [1, 1, 2, 3, 3, 3],
        [1, 1, 2, 2, 3, 3],
        [1, 1, 2, 2, 2, 3],
    ]


def test_equal_confidences_go_left_to_right_whatever_the_order_was_before() -> None:
    def logits(position: int) -> list[float]:
        return [0.0, 0.0, float(position) if len(fake.head.read) == 1 else 1.0, 0.0]

    fake = FakeModel(vocabulary=4, logits=logits, mask_id=3)
    decode(fake.model, make_batch([[1]], [0], CPU), Sampling(output_tokens=3, steps=3, block_length=3))
    assert [canvas[0] for canvas in fake.body.canvases] == [[1, 3, 3, 3], [1, 3, 3, 2], [1, 2, 3, 2]]


def test_the_most_confident_places_are_written_first() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda position: [0.0, 0.0, float(position), 0.0], mask_id=3)
    decode(fake.model, make_batch([[1]], [0], CPU), Sampling(output_tokens=4, steps=2, block_length=4))
    assert fake.body.canvases[1] == [[1, 3, 3, 2, 2]]


def test_the_mask_is_never_written_though_the_model_prefers_it() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 1.0, 0.0, 9.0], mask_id=3)
    for temperature in (0.0, 1.0):
        sampling = Sampling(output_tokens=6, steps=3, block_length=6, temperature=temperature)
        assert 3 not in decode(fake.model, make_batch([[2]], [0], CPU), sampling)[0]


def test_the_mask_keeps_its_share_of_the_confidence() -> None:
    def logits(position: int) -> list[float]:
        return [2.0, 0.0, 0.0, 9.0] if position == 1 else [1.0, 0.0, 0.0, 0.0]

    fake = FakeModel(vocabulary=4, logits=logits, mask_id=3)
    decode(fake.model, make_batch([[2]], [0], CPU), Sampling(output_tokens=2, steps=2, block_length=2))
    assert fake.body.canvases[1] == [[2, 3, 0]]


def test_a_mask_inside_the_prompt_stays_and_takes_no_quota() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    written = decode(fake.model, make_batch([[1, 3, 1]], [0], CPU), Sampling(output_tokens=4, steps=2, block_length=4))
    assert written == [[2, 2, 2, 2]]
    assert [canvas[0] for canvas in fake.body.canvases] == [[1, 3, 1, 3, 3, 3, 3], [1, 3, 1, 2, 2, 3, 3]]


def test_padding_is_hidden_and_every_row_begins_at_its_own_first_token() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    decode(fake.model, make_batch([[1], [1, 2, 1]], [0, 1], CPU), Sampling(output_tokens=2, steps=1, block_length=2))
    assert fake.body.masks == [[[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]]
    assert fake.body.positions == [[[0, 0, 0, 1, 2], [0, 1, 2, 3, 4]]]


def test_without_padding_attention_has_no_mask() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    decode(fake.model, make_batch([[1], [2]], [0, 1], CPU), Sampling(output_tokens=2, steps=1, block_length=2))
    assert (fake.body.masks, fake.body.positions) == ([None], [None])


def test_a_block_is_whole_before_the_next_one_begins() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda position: [0.0, 0.0, float(position), 0.0], mask_id=3)
    decode(fake.model, make_batch([[1]], [0], CPU), Sampling(output_tokens=4, steps=4, block_length=2))
    outputs = [canvas[0][1:] for canvas in fake.body.canvases]
    assert outputs == [[3, 3, 3, 3], [3, 2, 3, 3], [2, 2, 3, 3], [2, 2, 3, 2]]


def test_the_batch_that_is_given_is_left_as_it_was() -> None:
    batch = make_batch(PROMPTS, [0, 1, 2], CPU)
    before = batch.tokens_BP.clone()
    decode(random_model(Family.diffusion), batch, Sampling(output_tokens=4, steps=2, block_length=4))
    assert torch.equal(batch.tokens_BP, before)


@pytest.mark.parametrize(("guidance_scale", "passes"), [(0.0, 6), (1.5, 12)])
def test_each_step_is_one_forward_pass_or_two_with_guidance(guidance_scale: float, passes: int) -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    sampling = Sampling(output_tokens=8, steps=6, block_length=4, guidance_scale=guidance_scale)
    generation = decoder(fake.model, sampling).decode(make_batch([[1, 2]], [0], CPU), 8, Unmarked())
    assert generation.forward_passes == len(fake.body.canvases) == passes


def test_guidance_masks_the_prompt_and_nothing_else_in_its_second_pass() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    sampling = Sampling(output_tokens=2, steps=2, block_length=2, guidance_scale=1.0)
    decode(fake.model, make_batch([[1, 2]], [0], CPU), sampling)
    assert [canvas[0] for canvas in fake.body.canvases] == [[1, 2, 3, 3], [3, 3, 3, 3], [1, 2, 2, 3], [3, 3, 2, 3]]


@pytest.mark.parametrize("guidance_scale", [0.0, 1.0])
def test_every_step_is_marked_once(guidance_scale: float) -> None:
    sampling = Sampling(output_tokens=6, steps=4, block_length=3, guidance_scale=guidance_scale)
    marked = Marked()
    decoder(random_model(Family.diffusion), sampling).decode(make_batch(PROMPTS, [0, 1, 2], CPU), 6, marked)
    assert marked.phases == [Phase.step] * 4


def test_the_head_reads_the_masked_places_of_the_block_and_no_others() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    decode(fake.model, make_batch([[1, 1]], [0], CPU), Sampling(output_tokens=6, steps=4, block_length=3))
    assert fake.head.read == [[2, 3, 4], [4], [5, 6, 7], [7]]


def test_random_remasking_reads_the_head_only_where_it_writes() -> None:
    fake = FakeModel(vocabulary=4, logits=lambda _: [0.0, 0.0, 5.0, 0.0], mask_id=3)
    sampling = Sampling(output_tokens=6, steps=3, block_length=6, remasking=Remasking.random)
    decode(fake.model, make_batch([[1, 1]], [0], CPU), sampling)
    assert [len(positions) for positions in fake.head.read] == [2, 2, 2]
    assert sorted(position for positions in fake.head.read for position in positions) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("guidance_scale", [0.0, 1.0])
@pytest.mark.parametrize("logits", [1, 3 * VOCABULARY, 5 * VOCABULARY + 1])
def test_chunks_of_any_size_give_the_same_tokens(
    monkeypatch: pytest.MonkeyPatch, logits: int, guidance_scale: float
) -> None:
    sampling = Sampling(output_tokens=8, steps=4, block_length=8, temperature=0.5, guidance_scale=guidance_scale)
    batch = make_batch(PROMPTS, [0, 1, 2], CPU)
    whole = decode(random_model(Family.diffusion), batch, sampling)
    monkeypatch.setattr(choice, "CHUNK_LOGITS", logits)
    assert decode(random_model(Family.diffusion), batch, sampling) == whole


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_noise_is_hashed_where_it_is_read_alone(
    published: LanguageModel, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []

    def counted(streams_B: Tensor, step: int | Tensor, positions_BM: Tensor) -> Tensor:
        hashed.append(1)
        return cells(streams_B, step, positions_BM)

    monkeypatch.setattr(diffusion, "cells", counted)
    sampling = Sampling(output_tokens=4, steps=4, block_length=4, temperature=temperature)
    decode(published, make_batch([[5, 9, 2]], [0], CPU), sampling)
    assert len(hashed) == (4 if temperature else 0)
