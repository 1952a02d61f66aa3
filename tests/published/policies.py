"""The cases of Fast-dLLM's policies and caches, and of guidance, as runs of ours, and the model that they are of."""

import json
from functools import cache
from typing import Any

import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.policies import Cache, CacheName, FactorRule, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Diffusion, Engine, Family
from tests.checkpoints import CPU
from tests.factories import a_diffusion, a_run
from tests.paths import KNOWN_ANSWERS

KNOWN = KNOWN_ANSWERS / "tiny_sharp_llada"
FILES = ("cases_fast_dllm.json", "cases_factor_plain.json", "cases_guidance.json")
CASES = [case for file in FILES for case in json.loads((KNOWN / file).read_text())["generate"]]


@cache
def llada_factory() -> PassFactory:
    return PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CPU))


def policy_of(case: dict[str, Any]) -> Policy:
    if case["policy"].startswith("factor"):
        rule = FactorRule.plain if case["policy"] == "factor_plain" else FactorRule.fast_dllm
        return Policy(name=PolicyName.factor, factor=case["factor"], factor_rule=rule)
    return Policy(name=PolicyName(case["policy"]), threshold=case.get("threshold"))


def settings_of(case: dict[str, Any], **changes: Any) -> Diffusion:
    cache = None if case["cache"] == "none" else Cache(name=CacheName(case["cache"]))
    return a_diffusion(
        steps=case.get("steps", case["gen_length"]),
        block_length=case["block_length"],
        guidance_scale=case.get("cfg_scale", 0.0),
        policy=policy_of(case),
        cache=cache,
        **changes,
    )


def run_of(case: dict[str, Any], engine: Engine, **changes: Any) -> Run:
    length = len(case["prompt_ids"][0]) + case["gen_length"]
    fraction = (length - case["gen_length"]) / length
    diffusion = settings_of(case, **changes)
    return a_run(engine=engine, length=length, prompt_fraction=fraction, diffusion=diffusion)


def identity(case: dict[str, Any]) -> str:
    knob = case.get("threshold", case.get("factor", case.get("steps")))
    shape = f"{len(case['prompt_ids'])}x{case['gen_length']}/{case['block_length']}"
    return f"{case['policy']}={knob}-{case['cache']}-{shape}-{case.get('cfg_scale', 0):g}"
