"""The sampler's likelihood of block-causal models: of all texts together, and of each against the plain references."""

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
import transformers

from benchmark.engines.factory import PassFactory
from benchmark.models.architecture import architecture_of
from benchmark.models.loading import LanguageModel, load_model
from benchmark.quality.likelihood.held_out import Document, k_step_bound
from benchmark.quality.likelihood.sampler import sampler_nats
from crossover.records.policies import QUOTA, Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Engine, Family
from tests.checkpoints import CPU, MASK_ID, write_checkpoint
from tests.factories import a_diffusion, a_run
from tests.layouts import settings as settings_of_layout
from tests.references.block_diffusion import BlockSampling, block_causal_logits, block_diffusion
from tests.references.block_orders import OrderedSampling, above, causal_context, fast_dllm_v2

LETTERS = (0, 2, 3)
PLACES = 4
TEXTS = list(itertools.product(LETTERS, repeat=PLACES))
EXACT = Cache(name=CacheName.exact)
THRESHOLD = Policy(name=PolicyName.threshold, threshold=0.5)

pytestmark = pytest.mark.usefixtures("uncompiled", "forgetful")


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute every value anew."""
    monkeypatch.setattr("benchmark.quality.likelihood.sampler.known_values", lambda _: {})


@cache
def model_of(layout: str) -> LanguageModel:
    """A random model of three letters and the mask."""
    config = settings_of_layout(layout, vocab_size=1 + len(LETTERS), tie_word_embeddings=False)
    generator = torch.Generator().manual_seed(1)
    weights = {}
    for name, shape in architecture_of(config, Family.diffusion, "./here").shapes().items():
        drawn = torch.randn(shape, generator=generator)
        weights[name] = 1 + 0.1 * drawn if "norm" in name else 0.5 * drawn
    with TemporaryDirectory() as folder:
        written = write_checkpoint(Path(folder), config, weights)
        return load_model(written, Family.diffusion, dtype=torch.float32, device=CPU)


def run_of(prompt: list[int], block_length: int, engine: Engine = Engine.eager, **changes: Any) -> Run:
    settings = {"steps": PLACES, "block_length": block_length, "cache": EXACT, "blocks": Blocks.sequence}
    length = len(prompt) + PLACES
    run = a_run(
        engine=engine,
        batch=len(TEXTS),
        length=length,
        prompt_fraction=len(prompt) / length,
        diffusion=a_diffusion(**settings | changes),
    )
    assert run.infeasible is None
    return run


def nats_of(layout: str, run: Run, prompt: list[int]) -> list[float]:
    """-log p of each text."""
    documents = [Document(prompt=tuple(prompt), answer=text) for text in TEXTS]
    found = sampler_nats(run, PassFactory(model_of(layout)), run.engine, documents, lambda *_: None)
    values = [value for value in found if value is not None]
    assert len(values) == len(found)
    return values


def check_total(values: list[float]) -> None:
    assert float(torch.tensor(values, dtype=torch.float64).neg().exp().sum()) == pytest.approx(1, abs=1e-5)


PROMPTS = [([3, 0, 2, 2], 4), ([3, 0], 2), ([3, 0, 2, 2, 0, 3], 2)]
"""With the lengths of blocks; a text ends with one."""
RULES = {
    "low_confidence_static": QUOTA,
    "sequential": Policy(name=PolicyName.sequential),
    "low_confidence_dynamic": Policy(name=PolicyName.low_confidence_dynamic, threshold=0.4),
    "entropy_bounded": Policy(name=PolicyName.entropy_bounded, gamma=0.7),
}


@cache
def plain(layout: str) -> Any:
    """The same weights in transformers' modules, untouched."""
    ours = model_of(layout).llama
    made = getattr(transformers, type(ours).__name__)(ours.config)
    made.set_attn_implementation("eager")
    made.load_state_dict(ours.state_dict())
    return made.eval()


@pytest.mark.parametrize(("prompt", "block_length"), PROMPTS)
@pytest.mark.parametrize("rule", RULES)
def test_texts_are_as_likely_as_the_plain_block_diffusion_makes_them(
    rule: str, prompt: list[int], block_length: int
) -> None:
    policy = RULES[rule]
    steps = block_length // 2 if policy.has_steps else block_length
    run = run_of(prompt, block_length, steps=PLACES // block_length * steps, policy=policy)
    values = nats_of("sdar", run, prompt)
    check_total(values)
    logits = block_causal_logits(plain("sdar"), block_length)
    sampling = BlockSampling(
        rule=rule,
        output_tokens=PLACES,
        block_length=block_length,
        steps_per_block=steps,
        kept=True,
        threshold=policy.threshold or 0.0,
        gamma=policy.gamma or 0.0,
    )
    for index in (0, 33, 57):
        found = block_diffusion(logits, prompt, MASK_ID, replace(sampling, text=TEXTS[index]))
        assert values[index] == pytest.approx(found.nats, abs=1e-4)


@pytest.mark.parametrize("name", [CacheName.exact, CacheName.sub_block])
@pytest.mark.parametrize("shape", [(4, 2), (2, 1), (4, 4)])
def test_texts_are_as_likely_as_plain_sub_blocks_make_them(shape: tuple[int, int], name: CacheName) -> None:
    prompt, (block_length, part_length) = [3, 0, 2, 2], shape
    run = run_of(prompt, block_length, policy=THRESHOLD, sub_block_length=part_length, cache=Cache(name=name))
    values = nats_of("Fast_dLLM_Qwen", run, prompt)
    check_total(values)
    sampling = OrderedSampling(
        output_tokens=PLACES,
        block_length=block_length,
        part_length=part_length,
        keeps_block=name is CacheName.sub_block,
        chosen=above(0.5),
    )
    for index in (0, 33, 57):
        found = fast_dllm_v2(plain("Fast_dLLM_Qwen"), prompt, MASK_ID, replace(sampling, text=TEXTS[index]))
        assert values[index] == pytest.approx(found.nats, abs=1e-4)


@pytest.mark.parametrize("prompt", [[3, 0, 2, 2], [3, 0, 2], [2]])
@pytest.mark.parametrize("block_length", [1, 2, 4])
def test_texts_are_as_likely_as_a_plain_causal_context_makes_them(block_length: int, prompt: list[int]) -> None:
    run = run_of(prompt, block_length, policy=THRESHOLD, causal_context=True)
    values = nats_of("sdar", run, prompt)
    check_total(values)
    sampling = OrderedSampling(output_tokens=PLACES, block_length=block_length, chosen=above(0.5))
    for index in (0, 33, 57):
        found = causal_context(plain("sdar"), prompt, MASK_ID, replace(sampling, text=TEXTS[index]))
        assert values[index] == pytest.approx(found.nats, abs=1e-4)


@pytest.mark.parametrize("layout", ["sdar", "Fast_dLLM_Qwen"])
def test_an_exact_cache_and_an_engine_change_no_likelihood(layout: str) -> None:
    prompt = [3, 0, 2, 2]
    known = nats_of(layout, run_of(prompt, 2, policy=THRESHOLD), prompt)
    check_total(known)
    for changes in ({"cache": None}, {"engine": Engine.compiled}):
        assert nats_of(layout, run_of(prompt, 2, policy=THRESHOLD, **changes), prompt) == pytest.approx(known, abs=1e-4)


@pytest.mark.parametrize("name", [CacheName.prefix, CacheName.dual])
def test_the_probabilities_of_fast_dllms_blocks_of_shifted_logits_add_up_to_1(name: CacheName) -> None:
    prompt = [3, 0, 2]
    kept = nats_of("Dream", run_of(prompt, 2, policy=THRESHOLD, cache=Cache(name=name), blocks=Blocks.output), prompt)
    check_total(kept)
    assert kept != nats_of("Dream", run_of(prompt, 2, policy=THRESHOLD, cache=None, blocks=Blocks.output), prompt)


def test_a_row_of_a_padded_batch_is_as_likely_as_alone() -> None:
    run = run_of([3, 0, 2, 2], 2, policy=THRESHOLD)
    documents = [Document(prompt=prompt, answer=(2, 3, 0, 2)) for prompt in ((3, 0, 2, 2), (2, 2), (0, 3, 0, 2, 2, 0))]
    factory = PassFactory(model_of("sdar"))
    together, alone = (
        sampler_nats(replace(run, batch=rows), factory, Engine.eager, documents, lambda *_: None) for rows in (3, 1)
    )
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_text_behind_which_masks_are_decoded_has_none() -> None:
    run, factory = run_of([3, 0, 2], 2, policy=THRESHOLD), PassFactory(model_of("sdar"))
    documents = [Document(prompt=(3, 0, 2), answer=(2, 3, 0, 2))]
    assert sampler_nats(run, factory, Engine.eager, documents, lambda *_: None) == [None]


def test_a_text_that_is_looked_at_again_has_none() -> None:
    policy = Policy(name=PolicyName.editing, threshold=0.5, editing_threshold=0.9, max_post_steps=1, transfers=1)
    run, factory = run_of([3, 0, 2, 2], 2, policy=policy), PassFactory(model_of("sdar"))
    documents = [Document(prompt=(3, 0, 2, 2), answer=(2, 3, 0, 2))]
    assert sampler_nats(run, factory, Engine.eager, documents, lambda *_: None) == [None]


BOUNDS: list[tuple[str, list[int], int, dict[str, Any]]] = [
    *(("sdar", prompt, 3, {}) for prompt in ([3], [3, 0], [3, 0, 2])),
    ("Fast_dLLM_Qwen", [3, 0], 3, {}),
    *(("Fast_dLLM_Qwen", prompt, 3, {"sub_block_length": 3}) for prompt in ([3, 0], [3, 0, 2])),
    ("Fast_dLLM_Qwen", [3, 0, 2], 4, {"sub_block_length": 2}),
    *(("sdar", prompt, 3, {"causal_context": True}) for prompt in ([3], [3, 0, 2])),
]
"""A layout, a prompt that may end inside a block, the length of blocks and of the text, and an order."""


@pytest.mark.parametrize(("layout", "prompt", "block_length", "changes"), BOUNDS)
def test_an_order_of_the_bound_gives_all_texts_together_a_probability_of_1(
    layout: str, prompt: list[int], block_length: int, changes: dict[str, Any]
) -> None:
    """Each order is a sampler of its own, which may draw the mask too."""
    parts = block_length // changes.get("sub_block_length", block_length)
    settings = {"cache": EXACT, "blocks": Blocks.sequence} | changes
    diffusion = a_diffusion(steps=2 * parts, block_length=block_length, **settings)
    bounds = [
        k_step_bound(
            model_of(layout), Document(prompt=prompt, answer=text), diffusion, 1, torch.Generator().manual_seed(1)
        ).nats
        for text in itertools.product((MASK_ID, *LETTERS), repeat=block_length)
    ]
    check_total(bounds)


def test_the_bound_is_that_of_the_plain_parts_in_every_order() -> None:
    """A prompt of two and blocks of three: one token is left of the first block, two are of the second."""
    prompt, answer = [3, 0], (2, 3, 0)
    diffusion = a_diffusion(steps=2, block_length=3, cache=EXACT, blocks=Blocks.sequence)
    logits = block_causal_logits(plain("sdar"), 3)

    def nats(masked: list[int], scored: list[int]) -> float:
        canvas = [*prompt, *(MASK_ID if place in masked else token for place, token in enumerate(answer))]
        rows_LV = logits(canvas).double().log_softmax(dim=-1)
        return -sum(float(rows_LV[len(prompt) + place, answer[place]]) for place in scored)

    first, second = nats([0, 1, 2], [0]), nats([1, 2], [1, 2])
    document = Document(prompt=prompt, answer=answer)
    found = k_step_bound(model_of("sdar"), document, diffusion, 4, torch.Generator().manual_seed(0))
    assert found.nats == pytest.approx(first + second, abs=1e-5)
    assert found.se_nats == pytest.approx(0, abs=1e-9)
