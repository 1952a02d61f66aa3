"""The cases of block diffusion as runs of ours, and the model that they are of."""

from functools import cache
from typing import Any

import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.policies import QUOTA, Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Diffusion, Engine, Family
from tests.checkpoints import CPU
from tests.factories import a_diffusion, a_run
from tests.paths import KNOWN_ANSWERS
from tests.published.cases import BLOCK_CASES

CASES = BLOCK_CASES
KNOWN = KNOWN_ANSWERS / "tiny_random_sdar"
EXACT = Cache(name=CacheName.exact)
KEPT = {"sdar", "entropy_bounded"}
"""Loops whose source keeps keys and values of finished blocks."""


@cache
def sdar_factory() -> PassFactory:
    return PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CPU))


def policy_of(case: dict[str, Any]) -> Policy:
    match case["loop"], case.get("strategy", "low_confidence_dynamic"):
        case "entropy_bounded", _:
            return Policy(name=PolicyName.entropy_bounded, gamma=case["gamma"])
        case "llada21", _:
            return Policy(
                name=PolicyName.editing,
                threshold=case["threshold"],
                editing_threshold=case["editing_threshold"],
                max_post_steps=case["max_post_steps"],
                transfers=case["num_to_transfer"],
            )
        case _, "low_confidence_dynamic":
            return Policy(name=PolicyName.low_confidence_dynamic, threshold=case["threshold"])
        case _, "sequential":
            return Policy(name=PolicyName.sequential)
    return QUOTA


def settings_of(case: dict[str, Any], **changes: Any) -> Diffusion:
    blocks = case["gen_length"] // case["block_length"]
    settings = {
        "steps": blocks * case.get("steps_per_block", case["block_length"]),
        "block_length": case["block_length"],
        "policy": policy_of(case),
        "cache": EXACT if case["loop"] in KEPT else None,
        "blocks": Blocks.sequence,
    }
    return a_diffusion(**settings | changes)


def run_of(case: dict[str, Any], engine: Engine, **changes: Any) -> Run:
    length = len(case["prompt_ids"]) + case["gen_length"]
    fraction = len(case["prompt_ids"]) / length
    return a_run(
        engine=engine, length=length, prompt_fraction=fraction, batch=1, diffusion=settings_of(case, **changes)
    )


def identity(case: dict[str, Any]) -> str:
    knob = case.get("gamma", case.get("threshold", case.get("steps_per_block")))
    rule = case.get("strategy", case["loop"])
    return f"{rule}={knob}-{len(case['prompt_ids'])}+{case['gen_length']}/{case['block_length']}"


PORTED = [case for case in CASES if case["loop"] in {"sdar", "llada2"}]
