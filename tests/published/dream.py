"""The cases of Dream's sampling, and of Fast-dLLM's for it, as runs of ours, and the model that they are of."""

from functools import cache
from typing import Any

import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.policies import USUAL_EPS, Cache, CacheName, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Diffusion, Engine, Family
from tests.checkpoints import CPU
from tests.factories import a_diffusion, a_run
from tests.paths import KNOWN_ANSWERS
from tests.published.cases import cases

KNOWN = KNOWN_ANSWERS / "tiny_random_dream"
CASES = [*cases("tiny_random_dream", "cases_dream.json"), *cases("tiny_random_dream", "cases_fast_dllm_dream.json")]
NAMES = {"entropy": PolicyName.dream_entropy}


@cache
def dream_factory() -> PassFactory:
    return PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CPU))


def policy_of(case: dict[str, Any]) -> Policy:
    if case["alg"] == "confidence_threshold":
        delayed = case["cache"] == "none"
        name = PolicyName.delayed_threshold if delayed else PolicyName.threshold
        return Policy(name=name, threshold=case["threshold"])
    name = NAMES.get(case["alg"]) or PolicyName(case["alg"])
    knobs = {knob: case[knob] for knob in ("top_p", "top_k", "alg_temp") if case.get(knob)}
    return Policy(name=name, eps=case.get("eps", USUAL_EPS), **knobs)


def settings_of(case: dict[str, Any]) -> Diffusion:
    name = case.get("cache", "none")
    return a_diffusion(
        steps=case["steps"],
        block_length=case.get("block_length", case["gen_length"]),
        policy=policy_of(case),
        cache=None if name == "none" else Cache(name=CacheName(name)),
    )


def run_of(case: dict[str, Any], engine: Engine) -> Run:
    prompt = max(map(len, case["prompt_ids"]))
    length = prompt + case["gen_length"]
    return a_run(engine=engine, length=length, prompt_fraction=prompt / length, diffusion=settings_of(case))


def identity(case: dict[str, Any]) -> str:
    knobs = [str(case[knob]) for knob in ("threshold", "top_p", "top_k", "eps") if knob in case]
    return "-".join([case["alg"], case.get("cache", ""), str(case["gen_length"]), str(case["steps"]), *knobs])
