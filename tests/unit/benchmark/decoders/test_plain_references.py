from typing import Any

import pytest

from tests.published.cases import BLOCK_CASES, cases, model
from tests.references.block_diffusion import BlockSampling, block_causal_logits, block_diffusion
from tests.references.dream import DreamSampling, FastSampling, dream, fast_dllm

RULES = {"llada2": "low_confidence_dynamic", "llada21": "editing", "entropy_bounded": "entropy_bounded"}


def block_sampling(case: dict[str, Any]) -> BlockSampling:
    knobs = ("threshold", "gamma", "editing_threshold", "max_post_steps")
    return BlockSampling(
        rule=RULES.get(case["loop"], case.get("strategy", "")),
        output_tokens=case["gen_length"],
        block_length=case["block_length"],
        steps_per_block=case.get("steps_per_block", case["block_length"]),
        kept=case["loop"] in {"sdar", "entropy_bounded"},
        transfers=case.get("num_to_transfer", 1),
        **{knob: case[knob] for knob in knobs if knob in case},
    )


@pytest.mark.parametrize("case", BLOCK_CASES, ids=lambda case: f"{case['loop']}-{case['block_length']}")
def test_the_plain_block_diffusion_is_the_published_one(case: dict[str, Any]) -> None:
    plain, mask_id = model("tiny_random_sdar")
    logits = block_causal_logits(plain, case["block_length"])
    found = block_diffusion(logits, case["prompt_ids"], mask_id, block_sampling(case))
    assert found.tokens == case["output_ids"]
    assert found.at == case["written_at_forward"]
    assert len(found.computed) == case["nfe"]
    assert sum(found.computed) == case.get("positions_in_forwards", sum(found.computed))
    assert found.edits == [tuple(edit) for edit in case.get("edits", [])]


@pytest.mark.parametrize("case", cases("tiny_random_dream", "cases_dream.json"), ids=lambda case: case["alg"])
def test_the_plain_dream_is_the_published_one(case: dict[str, Any]) -> None:
    plain, mask_id = model("tiny_random_dream")
    knobs = {knob: case[knob] for knob in ("eps", "top_p", "top_k") if knob in case}
    sampling = DreamSampling(alg=case["alg"], output_tokens=case["gen_length"], steps=case["steps"], **knobs)
    for prompt, tokens, at in zip(case["prompt_ids"], case["output_ids"], case["written_at_forward"], strict=True):
        found = dream(plain, prompt, mask_id, sampling)
        assert found.tokens == tokens
        assert found.at == at
        assert len(found.computed) == case["nfe"]


@pytest.mark.parametrize(
    "case", cases("tiny_random_dream", "cases_fast_dllm_dream.json"), ids=lambda case: case["cache"]
)
def test_the_plain_fast_dllm_for_dream_is_the_published_one(case: dict[str, Any]) -> None:
    plain, mask_id = model("tiny_random_dream")
    sampling = FastSampling(
        cache=case["cache"],
        threshold=case["threshold"],
        output_tokens=case["gen_length"],
        steps=case["steps"],
        block_length=case.get("block_length", case["gen_length"]),
    )
    found = fast_dllm(plain, case["prompt_ids"][0], mask_id, sampling)
    assert found.tokens == case["output_ids"][0]
    assert found.at == case["written_at_forward"][0]
    assert len(found.computed) == case["nfe"]
    assert sum(found.computed) == case["positions_in_forwards"]
