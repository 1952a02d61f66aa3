"""Block diffusion and Dream's sampling at random shapes, against the plain references."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.engines.factory import PassFactory
from crossover.records.policies import QUOTA, USUAL_EPS, Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.settings import Attention, Diffusion, Engine
from tests.checkpoints import CPU
from tests.factories import a_diffusion, a_run
from tests.published.blocks import sdar_factory
from tests.published.cases import model
from tests.published.dream import NAMES, dream_factory
from tests.references.block_diffusion import BlockSampling, WrittenBlocks, block_causal_logits, block_diffusion
from tests.references.dream import DreamSampling, FastSampling, dream, fast_dllm

EXACT = Cache(name=CacheName.exact)
BEYOND_MASKS = 300
"""Tokens of prompts are below this; the masks are 310 and 311."""

POLICIES: dict[str, Policy] = {
    "low_confidence_static": QUOTA,
    "sequential": Policy(name=PolicyName.sequential),
    "low_confidence_dynamic": Policy(name=PolicyName.low_confidence_dynamic, threshold=0.5),
    "entropy_bounded": Policy(name=PolicyName.entropy_bounded, gamma=1.5),
    "editing": Policy(name=PolicyName.editing, threshold=0.6, editing_threshold=0.4, max_post_steps=2, transfers=2),
}
prompts = st.lists(st.integers(0, BEYOND_MASKS), min_size=1, max_size=9)


def decoded(factory: PassFactory, settings: Diffusion, rows: list[list[int]], output_tokens: int) -> Generation:
    prompt = max(map(len, rows))
    length = prompt + output_tokens
    run = a_run(engine=Engine.eager, length=length, prompt_fraction=prompt / length, diffusion=settings)
    assert run.infeasible is None
    made = make_decoder(run, factory, factory.kernel(Attention.sdpa))
    return made.decode(make_batch(rows, list(range(len(rows))), CPU), output_tokens, Unmarked())


def block_reference(rule: str, prompt: list[int], blocks: int, block_length: int, steps: int) -> WrittenBlocks:
    plain, mask_id = model("tiny_random_sdar")
    policy = POLICIES[rule]
    sampling = BlockSampling(
        rule=rule,
        output_tokens=blocks * block_length,
        block_length=block_length,
        steps_per_block=steps,
        kept=True,
        threshold=policy.threshold or 0.0,
        gamma=policy.gamma or 0.0,
        editing_threshold=policy.editing_threshold or 1.0,
        max_post_steps=policy.max_post_steps or 0,
        transfers=policy.transfers or 1,
    )
    return block_diffusion(block_causal_logits(plain, block_length), prompt, mask_id, sampling)


@pytest.mark.parametrize("rule", POLICIES)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(
    rows=st.lists(prompts, min_size=1, max_size=3),
    blocks=st.integers(1, 2),
    block_length=st.integers(1, 6),
    data=st.data(),
)
def test_every_row_of_any_batch_of_blocks_matches_the_plain_reference(
    rule: str, rows: list[list[int]], blocks: int, block_length: int, data: st.DataObject
) -> None:
    steps = data.draw(st.integers(1, block_length))
    policy = POLICIES[rule]
    settings = a_diffusion(
        steps=blocks * (steps if policy.has_steps else block_length),
        block_length=block_length,
        policy=policy,
        cache=EXACT,
        blocks=Blocks.sequence,
    )
    found = decoded(sdar_factory(), settings, rows, blocks * block_length)
    expected = [block_reference(rule, row, blocks, block_length, steps) for row in rows]
    assert found.tokens_BN.tolist() == [row.tokens for row in expected]
    if len(rows) == 1:
        assert found.written_at_BN is not None
        assert found.written_at_BN.tolist() == [expected[0].at]
        assert [forward.computed for forward in found.forwards] == expected[0].computed
        assert [(each.step, each.position, each.token) for each in found.edits] == expected[0].edits


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    rows=st.lists(prompts, min_size=1, max_size=3),
    output_tokens=st.integers(1, 8),
    steps=st.integers(1, 12),
    name=st.sampled_from(["maskgit_plus", "topk_margin", "entropy"]),
    knobs=st.sampled_from([{}, {"top_p": 0.8}, {"top_k": 4}, {"top_p": 0.9, "top_k": 3}]),
)
def test_every_row_of_any_batch_matches_dreams_plain_reference(
    rows: list[list[int]], output_tokens: int, steps: int, name: str, knobs: dict[str, Any]
) -> None:
    plain, mask_id = model("tiny_random_dream")
    policy = Policy(name=NAMES.get(name) or PolicyName(name), eps=USUAL_EPS, **knobs)
    settings = a_diffusion(steps=steps, block_length=output_tokens, policy=policy)
    found = decoded(dream_factory(), settings, rows, output_tokens)
    sampling = DreamSampling(alg=name, output_tokens=output_tokens, steps=steps, **knobs)
    expected = [dream(plain, row, mask_id, sampling) for row in rows]
    assert found.written_at_BN is not None
    assert found.tokens_BN.tolist() == [row.tokens for row in expected]
    assert found.written_at_BN.tolist() == [row.at for row in expected]
    assert found.forward_passes == steps


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    rows=st.lists(prompts, min_size=1, max_size=3),
    blocks=st.integers(1, 2),
    block_length=st.integers(1, 5),
    threshold=st.floats(0.1, 0.9),
    cache=st.sampled_from(["none", "prefix", "dual"]),
)
def test_every_row_of_any_batch_matches_fast_dllms_plain_reference_for_dream(
    rows: list[list[int]], blocks: int, block_length: int, threshold: float, cache: str
) -> None:
    plain, mask_id = model("tiny_random_dream")
    output_tokens = blocks * block_length
    name = PolicyName.delayed_threshold if cache == "none" else PolicyName.threshold
    settings = a_diffusion(
        steps=block_length if cache == "none" else output_tokens,
        block_length=output_tokens if cache == "none" else block_length,
        policy=Policy(name=name, threshold=threshold),
        cache=None if cache == "none" else Cache(name=CacheName(cache)),
    )
    found = decoded(dream_factory(), settings, rows, output_tokens)
    sampling = FastSampling(
        cache=cache,
        threshold=threshold,
        output_tokens=output_tokens,
        steps=block_length,
        block_length=block_length,
    )
    expected = [fast_dllm(plain, row, mask_id, sampling) for row in rows]
    assert found.tokens_BN.tolist() == [row.tokens for row in expected]
    if len(rows) == 1:
        assert found.written_at_BN is not None
        assert found.written_at_BN.tolist() == [expected[0].at]
        assert [forward.computed for forward in found.forwards] == expected[0].computed
