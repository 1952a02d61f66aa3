import itertools
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.decoders.interface import Unmarked, make_batch
from benchmark.decoders.policies.factory import make_policy
from benchmark.decoders.prompts import Prompt
from benchmark.engines.factory import PassFactory
from benchmark.models.loading import LanguageModel, load_model
from benchmark.quality.likelihood.held_out import Document, autoregressive_nats
from benchmark.quality.likelihood.sampler import SamplerLikelihood, _has_likelihood, sampler_nats, with_sampler
from crossover.records.policies import Cache, CacheName, FactorRule, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Attention, Engine, Family, Remasking
from crossover.records.texts import DocumentLikelihood
from tests.checkpoints import CPU, MASK_ID, llada_settings, llada_tensors, random_model, write_checkpoint
from tests.factories import a_diffusion, a_run, an_autoregressive_run

LETTERS = (0, 2, 3)
"""The vocabulary of three; the mask token has an embedding beside them."""
PLACES = 4
TEXTS = list(itertools.product(LETTERS, repeat=PLACES))
PROMPT = [3, 0, 2]

POLICIES = {
    "quota": Policy(),
    "margin": Policy(name=PolicyName.margin),
    "entropy": Policy(name=PolicyName.entropy),
    "threshold": Policy(name=PolicyName.threshold, threshold=0.6),
    "factor": Policy(name=PolicyName.factor, factor=1.0, factor_rule=FactorRule.plain),
    "fast_dllm": Policy(name=PolicyName.factor, factor=0.7, factor_rule=FactorRule.fast_dllm),
    "entropy_bounded": Policy(name=PolicyName.entropy_bounded, gamma=0.7),
    "sequential": Policy(name=PolicyName.sequential),
    "low_confidence_dynamic": Policy(name=PolicyName.low_confidence_dynamic, threshold=0.4),
    "maskgit_plus": Policy(name=PolicyName.maskgit_plus, eps=1e-3),
}


@cache
def small_vocabulary() -> LanguageModel:
    """A random diffusion model of three letters and the mask."""
    size = 1 + len(LETTERS)
    tensors = {
        name: tensor[:size] if name in {"model.transformer.wte.weight", "model.transformer.ff_out.weight"} else tensor
        for name, tensor in llada_tensors().items()
    }
    with TemporaryDirectory() as folder:
        written = write_checkpoint(Path(folder), llada_settings(vocab_size=size, embedding_size=size), tensors)
        return load_model(written, Family.diffusion, dtype=torch.float32, device=CPU)


def sampler(
    model: LanguageModel, output_tokens: int = PLACES, engine: Engine = Engine.eager, **changes: Any
) -> SamplerLikelihood:
    settings, factory = a_diffusion(**{"block_length": output_tokens} | changes), PassFactory(model)
    policy = make_policy(settings, output_tokens)
    return SamplerLikelihood(
        passes=factory.canvas(engine, factory.kernel(Attention.sdpa)),
        head=factory.head(engine, 0.0, policy.score),
        mask_id=MASK_ID,
        policy=policy,
        block_length=settings.block_length,
        cache=settings.cache,
        guidance_scale=settings.guidance_scale,
    )


def nats(made: SamplerLikelihood, prompts: list[list[int]], answers: list[Any]) -> Tensor:
    return made.read(make_batch(prompts, [0] * len(prompts), CPU), torch.tensor(answers)).nats_B


def total(**changes: Any) -> float:
    """The sum of the probabilities of all texts."""
    return float((-nats(sampler(small_vocabulary(), **changes), [PROMPT] * len(TEXTS), TEXTS)).exp().sum())


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["quota", "margin", "entropy", "sequential", "maskgit_plus"])
def test_the_probabilities_of_all_texts_add_up_to_1_at_each_k(name: str, steps: int) -> None:
    assert total(steps=steps, policy=POLICIES[name]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["threshold", "factor", "fast_dllm", "entropy_bounded", "low_confidence_dynamic"])
@pytest.mark.parametrize("block_length", [2, 4])
def test_they_do_where_the_text_decides_how_many_positions_are_written(name: str, block_length: int) -> None:
    assert total(steps=4, policy=POLICIES[name], block_length=block_length) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("guidance_scale", "passes"), [(0.0, 2), (1.5, 4)])
def test_it_says_how_many_forward_passes_it_took(guidance_scale: float, passes: int) -> None:
    made = sampler(small_vocabulary(), steps=2, guidance_scale=guidance_scale)
    assert made.read(make_batch([PROMPT], [0], CPU), torch.tensor(TEXTS[:1])).forward_passes == passes


@pytest.mark.parametrize("steps", [2, 4])
def test_they_do_in_blocks_with_a_cache_and_with_guidance(steps: int) -> None:
    assert total(steps=steps, block_length=2) == pytest.approx(1, abs=1e-5)
    assert total(steps=steps, block_length=2, cache=Cache(name=CacheName.dual)) == pytest.approx(1, abs=1e-5)
    assert total(steps=steps, guidance_scale=1.5) == pytest.approx(1, abs=1e-5)


def test_k_and_policy_change_the_probability_of_a_text() -> None:
    of = {
        name: float(nats(sampler(small_vocabulary(), steps=steps, policy=POLICIES[policy]), [PROMPT], [TEXTS[5]])[0])
        for name, steps, policy in [("1", 1, "quota"), ("2", 2, "quota"), ("4", 4, "quota"), ("t", 4, "threshold")]
    }
    assert len({round(value, 4) for value in of.values()}) == 4


def plain_nats(model: LanguageModel, prompt: list[int], answer: list[int], writes: list[int]) -> float:
    """The same, slowly: write the true tokens at the most confident masks, so many at a time."""
    canvas, nats = [MASK_ID] * len(answer), 0.0
    for count in writes:
        with torch.inference_mode():
            hidden = model.body(input_ids=torch.tensor([[*prompt, *canvas]]), use_cache=False).last_hidden_state
            logits = model.head(hidden[0, len(prompt) :]).double()
        whole = logits.softmax(-1)
        whole[:, MASK_ID] = 0.0
        allowed = logits.clone()
        allowed[:, MASK_ID] = -torch.inf
        open_places = [index for index, token in enumerate(canvas) if token == MASK_ID]
        for index in sorted(open_places, key=lambda index: -float(whole[index].max()))[:count]:
            canvas[index] = answer[index]
            nats -= float(allowed[index].log_softmax(-1)[answer[index]])
    return nats


@pytest.mark.parametrize(("steps", "writes"), [(1, [8]), (3, [3, 3, 2]), (8, [1] * 8)])
def test_a_text_has_the_nats_of_the_plain_reference(steps: int, writes: list[int]) -> None:
    model, answer = random_model(Family.diffusion), [5, 9, 2, 20, 7, 7, 13, 4]
    (text_nats,) = nats(sampler(model, 8, steps=steps), [[3, 4, 5]], [answer]).tolist()
    assert text_nats == pytest.approx(plain_nats(model, [3, 4, 5], answer, writes), abs=1e-4)


def test_positions_are_written_in_the_order_of_the_decoder_at_temperature_0() -> None:
    """On the decoder's own text both see the same states: the nats are those of its forward passes, one by one."""
    model, settings = random_model(Family.diffusion), a_diffusion(steps=4, block_length=8)
    made, batch = sampler(model, 8, steps=4), make_batch([[3, 4, 5]], [0], CPU)
    decoder = MaskedDiffusionDecoder(
        passes=made.passes, head=made.head, mask_id=MASK_ID, policy=make_policy(settings, 8), block_length=8
    )
    own = decoder.decode(batch, 8, Unmarked())
    assert own.written_at_BN is not None
    answer, expected = own.tokens_BN[0].tolist(), 0.0
    for step in range(1, 5):
        canvas = torch.where(own.written_at_BN < step, own.tokens_BN, MASK_ID)
        with torch.inference_mode():
            hidden = model.body(input_ids=torch.cat([batch.tokens_BP, canvas], 1), use_cache=False).last_hidden_state
            logits = model.head(hidden[0, 3:]).double()
            logits[:, MASK_ID] = -torch.inf
        now = (own.written_at_BN[0] == step).nonzero()[:, 0].tolist()
        expected -= sum(float(logits[index].log_softmax(-1)[answer[index]]) for index in now)
    assert float(made.read(batch, own.tokens_BN).nats_B[0]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("name", ["quota", "threshold"])
@pytest.mark.parametrize("engine", [Engine.eager, Engine.compiled])
def test_a_row_of_a_padded_batch_is_as_likely_as_alone(name: str, engine: Engine) -> None:
    model = random_model(Family.diffusion)
    prompts, answers = [[3, 4, 5], [6, 7, 8, 9, 10], [11]], [[5, 9, 2, 20], [7, 7, 13, 4], [2, 3, 2, 3]]
    changes: dict[str, Any] = {"steps": 2, "policy": POLICIES[name], "block_length": 2}
    alone = [float(nats(sampler(model, **changes), [p], [a])[0]) for p, a in zip(prompts, answers, strict=True)]
    together = nats(sampler(model, engine=engine, **changes), prompts, answers)
    assert together.tolist() == pytest.approx(alone, rel=1e-5)


def document(answer: list[int]) -> Document:
    return Document(prompt=(3, 4, 5, 6, 7, 8, 9, 10), answer=tuple(answer))


ANSWERS = [document([5, 9, 2, 20, 7, 7, 13, 4]), document([4, 13, 7, 7, 20, 2, 9, 5]), document([2] * 8)]


def values_of(run: Run, documents: list[Document], engine: Engine = Engine.eager) -> list[float | None]:
    return sampler_nats(run, PassFactory(random_model(Family.diffusion)), engine, documents, lambda *_: None)


@pytest.mark.usefixtures("uncompiled")
def test_batches_and_engines_give_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    known = values_of(a_run(batch=1), ANSWERS)
    monkeypatch.setattr("benchmark.quality.likelihood.sampler.known_values", lambda _: {})
    for batch, engine in [(2, Engine.eager), (4, Engine.compiled), (3, Engine.published)]:
        assert values_of(a_run(batch=batch), ANSWERS, engine) == pytest.approx(known, rel=1e-5)


def test_what_is_known_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    factory, run = PassFactory(random_model(Family.diffusion)), a_run(diffusion=a_diffusion(steps=2, block_length=4))
    first = sampler_nats(run, factory, Engine.eager, ANSWERS, lambda *_: None)
    monkeypatch.setattr(SamplerLikelihood, "read", lambda *_: pytest.fail("computed again"))
    assert sampler_nats(replace(run, batch=8), factory, Engine.eager, ANSWERS, lambda *_: None) == first


def test_random_positions_and_the_mask_token_have_no_likelihood() -> None:
    chance = a_run(diffusion=a_diffusion(remasking=Remasking.random))
    assert values_of(chance, ANSWERS) == [None] * 3
    assert values_of(a_run(), [document([5, MASK_ID, 2, 20, 7, 7, 13, 4])]) == [None]


DREAM = {"name": PolicyName.maskgit_plus, "eps": 0.001}


@pytest.mark.parametrize(
    ("policy", "known"),
    [
        (DREAM, True),
        (DREAM | {"alg_temp": 0.5}, False),
        (DREAM | {"top_p": 0.9}, False),
        (DREAM | {"top_k": 5}, False),
        ({"name": PolicyName.origin, "eps": 0.001}, False),
    ],
    ids=str,
)
def test_where_positions_are_drawn_or_tokens_cut_off_nothing_says_how_likely_a_text_is(
    policy: dict[str, Any], *, known: bool
) -> None:
    assert _has_likelihood(a_diffusion(policy=Policy(**policy))) == known


def test_an_autoregressive_models_sampler_has_its_exact_likelihood() -> None:
    model, prompt = random_model(Family.autoregressive), [3, 4, 5]
    exact = autoregressive_nats(model, Document(prompt=prompt, answer=[6, 7]))
    known = DocumentLikelihood(
        prompt_id="a", text_bytes=3, nats=exact, nats_se=None, k_step_nats=None, k_step_nats_se=None
    )
    asked = Prompt(number=0, name="a", tokens=prompt, text="", reference_tokens=[6, 7], reference="abc")
    run = an_autoregressive_run()
    (document,) = with_sampler([known], run, PassFactory(model), Engine.eager, [asked], lambda *_: None)
    assert document.sampler_nats == exact
    assert math.isfinite(exact)
