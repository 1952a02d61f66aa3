import gc
import itertools
import json
import math
import zlib
from dataclasses import replace
from functools import cache
from statistics import fmean, stdev
from weakref import WeakKeyDictionary

import pytest
import torch
from torch import Tensor

from benchmark.decoders.prompts import Prompt
from benchmark.models.loading import LanguageModel, load_model
from benchmark.quality import memo as remember
from benchmark.quality.likelihood import held_out
from benchmark.quality.likelihood.held_out import (
    Document,
    autoregressive_nats,
    k_step_bound,
    likelihoods,
    masked_nats,
    monte_carlo_bound,
)
from crossover.records.policies import Blocks, Cache, CacheName
from crossover.records.settings import Family, HeldOut
from tests.checkpoints import CPU, MASK_ID, random_model
from tests.factories import a_diffusion
from tests.fakes import FakeModel
from tests.paths import KNOWN_ANSWERS

KNOWN = KNOWN_ANSWERS / "tiny_random_llada"
CASES = json.loads((KNOWN / "cases.json").read_text())["likelihood"]
EXACT = Cache(name=CacheName.exact)
DOCUMENT = Document(prompt=[3, 4, 5], answer=[6, 7, 8, 9, 10])


def enumerated_bound(model: LanguageModel, document: Document) -> float:
    """LLaDA's bound exactly, over all 2^N - 1 maskings: the expectation of the estimate, for a few tokens."""
    size = len(document.answer)
    masked_RN = torch.tensor(list(itertools.product([False, True], repeat=size))[1:])
    masks_R = masked_RN.sum(dim=1)
    weight_R = torch.tensor([1 / (masks * math.comb(size, masks)) for masks in masks_R.tolist()], dtype=torch.float64)
    return float((masked_nats(model, document, masked_RN, masked_RN) * weight_R).sum())


@cache
def published() -> LanguageModel:
    return load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CPU)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def case(known: dict[str, list[int]]) -> Document:
    return Document(prompt=known["prompt_ids"], answer=known["answer_ids"])


def log_p(model: LanguageModel, document: Document, masked: set[int], position: int) -> float:
    """One term, plainly: log-probability of one answer token with these answer positions masked."""
    answer = [MASK_ID if index in masked else token for index, token in enumerate(document.answer)]
    with torch.inference_mode():
        hidden = model.body(input_ids=torch.tensor([[*document.prompt, *answer]]), use_cache=False).last_hidden_state
        logits: Tensor = model.head(hidden[0, len(document.prompt) + position])
    return float(logits.float().log_softmax(-1)[document.answer[position]])


def any_order_nats(model: LanguageModel, document: Document, order: tuple[int, ...]) -> float:
    """-log p with one token after another in this order."""
    steps = [(set(order[step:]), position) for step, position in enumerate(order)]
    return -sum(log_p(model, document, masked, position) for masked, position in steps)


@pytest.mark.parametrize("known", CASES, ids=["1 token", "4 tokens"])
def test_the_enumerated_bound_is_the_published_one(known: dict[str, list[int]]) -> None:
    assert -enumerated_bound(published(), case(known)) == pytest.approx(known["log_likelihood_bound_nats"], abs=5e-5)


@pytest.mark.parametrize("known", CASES, ids=["1 token", "4 tokens"])
def test_the_monte_carlo_bound_converges_to_the_published_one(known: dict[str, list[int]]) -> None:
    bound = monte_carlo_bound(published(), case(known), 4000, generator())
    assert bound.se_nats is not None
    assert bound.se_nats < 0.15
    assert -bound.nats == pytest.approx(known["log_likelihood_bound_nats"], abs=3 * bound.se_nats + 5e-5)


def test_a_model_that_attends_in_blocks_has_the_bound_of_each_block_after_the_true_text_before_it() -> None:
    """Blocks of 4, counted from the prompt's first token: the answer's 7 tokens are parts of three."""
    folder = KNOWN_ANSWERS / "tiny_random_sdar"
    model = load_model(folder, Family.diffusion, dtype=torch.float32, device=CPU)
    answer = [6, 7, 8, 9, 10, 11, 12]
    parts = [(0, 1), (1, 5), (5, 7)]
    exact = sum(
        enumerated_bound(model, Document(prompt=[3, 4, 5, *answer[:first]], answer=answer[first:end]))
        for first, end in parts
    )
    bound = monte_carlo_bound(model, Document(prompt=[3, 4, 5], answer=answer), 1000, generator())
    assert bound.se_nats is not None
    assert bound.se_nats < 0.5
    assert bound.nats == pytest.approx(exact, abs=3 * bound.se_nats)


def test_the_bound_is_unbiased_and_its_error_is_the_spread_of_repetitions() -> None:
    document = case(CASES[1])
    bounds = [monte_carlo_bound(published(), document, 8, generator(seed)) for seed in range(100)]
    spread = stdev(one.nats for one in bounds)
    assert fmean(one.nats for one in bounds) == pytest.approx(
        enumerated_bound(published(), document), abs=3 * spread / 20
    )
    assert math.sqrt(fmean((one.se_nats or 0) ** 2 for one in bounds)) == pytest.approx(spread, rel=0.25)


def test_every_number_of_masks_gets_its_share_of_the_samples() -> None:
    fake = FakeModel(vocabulary=12, logits=lambda _position: [0.0] * 12, mask_id=1)
    monte_carlo_bound(fake.model, DOCUMENT, 20, generator())
    assert sorted(canvas.count(1) for canvas in fake.body.canvases[0]) == sorted([1, 2, 3, 4, 5] * 4)


def test_an_autoregressive_likelihood_is_the_sum_over_its_tokens() -> None:
    model = random_model(Family.autoregressive)
    tokens = [*DOCUMENT.prompt, *DOCUMENT.answer]
    with torch.inference_mode():
        logits = model.head(model.body(input_ids=torch.tensor([tokens]), use_cache=False).last_hidden_state[0])
    log_p_LV = logits.float().log_softmax(-1)
    expected = -sum(float(log_p_LV[position - 1, tokens[position]]) for position in range(3, 8))
    assert autoregressive_nats(model, DOCUMENT) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("block_length", [5, 1])
def test_with_a_step_a_token_it_is_the_any_order_likelihood(block_length: int) -> None:
    """One order at a time, so that each of them can be computed naively."""
    model = random_model(Family.diffusion)
    diffusion = a_diffusion(steps=5, block_length=block_length)
    for seed in range(3):
        ranks = held_out._ranks(5 // block_length, block_length, generator(seed)).flatten().tolist()
        starts = [position // block_length * block_length for position in range(5)]
        positions = sorted(range(5), key=lambda position: starts[position] + ranks[position])
        bound = k_step_bound(model, DOCUMENT, diffusion, 1, generator(seed))
        assert bound.nats == pytest.approx(any_order_nats(model, DOCUMENT, tuple(positions)), rel=1e-6)
        assert bound.se_nats is None


def test_over_all_orders_a_step_a_token_is_lladas_bound() -> None:
    model = random_model(Family.diffusion)
    document = replace(DOCUMENT, answer=[6, 7, 8])
    orders = [any_order_nats(model, document, order) for order in itertools.permutations(range(3))]
    assert enumerated_bound(model, document) == pytest.approx(fmean(orders), rel=1e-6)


def test_one_step_predicts_every_token_from_the_prompt_alone() -> None:
    model = random_model(Family.diffusion)
    expected = -sum(log_p(model, DOCUMENT, set(range(5)), position) for position in range(5))
    bound = k_step_bound(model, DOCUMENT, a_diffusion(steps=1, block_length=5), 3, generator())
    assert bound.nats == pytest.approx(expected, rel=1e-6)
    assert bound.se_nats == pytest.approx(0, abs=1e-9)


def test_blocks_are_cut_as_the_sampler_cuts_them_and_see_the_earlier_ones() -> None:
    """Five tokens in two steps are three and two; in blocks of the decoder the order stays within each."""
    fake = FakeModel(vocabulary=12, logits=lambda _position: [0.0] * 12, mask_id=1)
    bound = k_step_bound(fake.model, DOCUMENT, a_diffusion(steps=2, block_length=5), 1, generator())
    assert bound.nats == pytest.approx(5 * math.log(12))  # by hand: each token has 1 chance in 12
    first, second = fake.body.canvases[0]
    assert first == [3, 4, 5, 1, 1, 1, 1, 1]
    assert (second.count(1), len(fake.head.read[0])) == (2, 5)
    assert all(seen in (1, true) for seen, true in zip(second, [3, 4, 5, 6, 7, 8, 9, 10], strict=True))

    document = replace(DOCUMENT, answer=[6, 7, 8, 9])
    k_step_bound(fake.model, document, a_diffusion(steps=2, block_length=2), 1, generator())
    assert fake.body.canvases[1] == [[3, 4, 5, 1, 1, 1, 1], [3, 4, 5, 6, 7, 1, 1]]


def test_a_case_by_hand() -> None:
    """The position decides: logits log(position + 1) and 0 for two entries; entry 1 has p = 1 / (position + 2)."""
    fake = FakeModel(vocabulary=2, logits=lambda position: [math.log(position + 1), 0.0], mask_id=0)
    document = Document(prompt=[1], answer=[1, 1])  # positions 1 and 2: p = 1/3 and 1/4, masked or not
    expected = math.log(3) + math.log(4)
    assert enumerated_bound(fake.model, document) == pytest.approx(expected)
    for steps in (1, 2):
        bound = k_step_bound(fake.model, document, a_diffusion(steps=steps, block_length=2), 2, generator())
        assert [bound.nats, bound.se_nats] == pytest.approx([expected, 0], abs=1e-6)


def test_chunks_of_rows_and_logits_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(Family.diffusion)
    masked_RN = torch.rand((7, 5), generator=generator()) < 0.6
    whole = masked_nats(model, DOCUMENT, masked_RN, masked_RN)
    monkeypatch.setattr(held_out, "TOKENS_AT_ONCE", 16)
    monkeypatch.setattr(held_out, "CHUNK_LOGITS", 48)
    assert masked_nats(model, DOCUMENT, masked_RN, masked_RN).tolist() == pytest.approx(whole.tolist())


def prompt(name: str) -> Prompt:
    return Prompt(number=0, name=name, tokens=[3, 4, 5], text="", reference_tokens=[6, 7, 8, 9, 10], reference="nö")


def test_draws_depend_on_the_seed_and_the_document_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = HeldOut(documents=2, samples=4, orders=2)

    def nats_of(names: str, seed: int, steps: int = 5) -> list[float]:
        monkeypatch.setattr(remember, "_KNOWN", WeakKeyDictionary())  # what is remembered would prove nothing
        model = random_model(Family.diffusion)
        diffusion = a_diffusion(steps=steps, block_length=5)
        return [one.nats for one in likelihoods(model, list(map(prompt, names)), held_out, diffusion, seed, _ignore)]

    assert nats_of("ab", seed=0)[:1] == nats_of("a", seed=0)
    assert nats_of("a", seed=0) == nats_of("a", seed=0, steps=2)  # the bound does not know K
    assert nats_of("a", seed=0) != nats_of("a", seed=1)


@pytest.mark.parametrize(("steps", "block_length"), [(1, 5), (5, 5), (5, 1)])
def test_the_orders_are_drawn_first_and_the_maskings_after_them(steps: int, block_length: int) -> None:
    model, diffusion = random_model(Family.diffusion), a_diffusion(steps=steps, block_length=block_length)
    (one,) = likelihoods(model, [prompt("a")], HeldOut(documents=1, samples=6, orders=3), diffusion, 7, _ignore)
    draws = generator(zlib.crc32(b"7/0"))
    in_steps, whole = k_step_bound(model, DOCUMENT, diffusion, 3, draws), monte_carlo_bound(model, DOCUMENT, 6, draws)
    assert (one.k_step_nats, one.k_step_nats_se) == (in_steps.nats, in_steps.se_nats)
    assert (one.nats, one.nats_se) == (whole.nats, whole.se_nats)


def test_what_does_not_depend_on_k_is_computed_once() -> None:
    fake = FakeModel(vocabulary=12, logits=lambda _position: [0.0] * 12, mask_id=1)
    held_out = HeldOut(documents=1, samples=4, orders=2)

    def passes(steps: int, seed: int = 0) -> int:
        before = len(fake.body.canvases)
        likelihoods(fake.model, [prompt("a")], held_out, a_diffusion(steps=steps, block_length=5), seed, _ignore)
        return len(fake.body.canvases) - before

    assert [passes(2), passes(2), passes(5), passes(2), passes(2, seed=1)] == [2, 0, 1, 0, 2]


def test_nothing_is_remembered_of_a_model_that_is_gone() -> None:
    owner, before = FakeModel(vocabulary=12, logits=lambda _position: [0.0] * 12, mask_id=1), len(remember._KNOWN)
    assert remember.remember(owner.body, "a", lambda: 1) == remember.remember(owner.body, "a", lambda: 2) == 1
    assert len(remember._KNOWN) == before + 1
    del owner
    gc.collect()
    assert len(remember._KNOWN) == before


def test_bytes_are_those_of_the_text_in_utf_8() -> None:
    held_out = HeldOut(documents=1, samples=None, orders=None)
    (one,) = likelihoods(random_model(Family.autoregressive), [prompt("a")], held_out, None, 0, _ignore)
    assert (one.prompt_id, one.text_bytes, one.nats_se, one.k_step_nats) == ("a", 3, None, None)


def test_a_document_keeps_what_it_shares_with_others() -> None:
    held_out, asked = HeldOut(documents=1, samples=None, orders=None), replace(prompt("a"), cluster="Emma")
    (one,) = likelihoods(random_model(Family.autoregressive), [asked], held_out, None, 0, _ignore)
    assert one.cluster == "Emma"


def _ignore(*_: object) -> None:
    """Nobody watches."""


def test_the_likelihood_of_a_shifted_model_is_read_at_the_position_before() -> None:
    model = load_model(KNOWN_ANSWERS / "tiny_random_dream", Family.diffusion, dtype=torch.float32, device=CPU)
    assert model.mask_id is not None
    document = Document(prompt=[3, 4, 5], answer=[6, 7, 8])
    masked_1N = torch.tensor([[True, False, True]])
    tokens_1L = torch.tensor([[3, 4, 5, model.mask_id, 7, model.mask_id]])
    with torch.inference_mode():
        logits_LV = model.head(model.body(input_ids=tokens_1L, use_cache=False).last_hidden_state)[0]
    nats_LV = -logits_LV.log_softmax(dim=-1)
    expected = float(nats_LV[2, 6] + nats_LV[4, 8])
    assert float(masked_nats(model, document, masked_1N, masked_1N)) == pytest.approx(expected, rel=1e-5)


def test_in_a_causal_context_a_blocks_first_token_is_read_causally_and_its_others_see_their_block() -> None:
    """A prompt of one and two blocks of three: rows are positions that look, columns what they see."""
    settings = a_diffusion(block_length=3, causal_context=True, blocks=Blocks.sequence, cache=EXACT)
    parts = [(range(3), [3]), (range(3, 4), [1]), (range(4, 6), [1, 1])]
    document = Document(prompt=[3], answer=[6, 7, 8, 9, 10, 11])
    _, first, others = held_out._views(random_model(Family.diffusion), document, settings, parts)
    causal = [[column <= row for column in range(7)] for row in range(7)]
    assert (first.steps, first.is_shifted) == (1, True)
    assert first.visible_LL is not None
    assert first.visible_LL.tolist() == causal
    assert (others.steps, others.is_shifted) == (2, False)
    assert others.visible_LL is not None
    assert others.visible_LL.tolist() == [*causal[:4], *[[True] * 7] * 3]
