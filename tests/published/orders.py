"""The orders of Fast-dLLM v2 and of Nemotron-Labs-Diffusion, on models whose logits are as theirs."""

import json
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.run import Run
from crossover.records.settings import Attention, Diffusion, Engine, Family
from tests.checkpoints import CPU
from tests.factories import a_diffusion, a_run
from tests.paths import KNOWN_ANSWERS
from tests.published.blocks import sdar_factory

EXACT, SUB_BLOCK = Cache(name=CacheName.exact), Cache(name=CacheName.sub_block)


@cache
def shifted_factory(device: torch.device = CPU) -> PassFactory:
    """The weights of Dream's tiny model in the layout of Fast-dLLM v2, whose blocks are causal among themselves."""
    known = KNOWN_ANSWERS / "tiny_random_dream"
    config = json.loads((known / "config.json").read_text())
    changes = {"model_type": "Fast_dLLM_Qwen", "bd_size": 8, "layer_types": ["full_attention"] * 2}
    with TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config | changes))
        shutil.copy(known / "model.safetensors", folder)
        return PassFactory(load_model(Path(folder), Family.diffusion, dtype=torch.float32, device=device))


def run_of(diffusion: Diffusion, rows: list[list[int]], output_tokens: int, engine: Engine = Engine.eager) -> Run:
    prompt = max(map(len, rows))
    length = prompt + output_tokens
    run = a_run(engine=engine, length=length, prompt_fraction=prompt / length, diffusion=diffusion)
    assert run.infeasible is None
    return run


def decoder_of(run: Run) -> BlockDiffusionDecoder:
    assert run.diffusion is not None
    factory = sdar_factory() if run.diffusion.causal_context else shifted_factory()
    made = make_decoder(run, factory, factory.kernel(Attention.sdpa))
    assert isinstance(made, BlockDiffusionDecoder)
    return made


def decoded(
    diffusion: Diffusion, rows: list[list[int]], output_tokens: int, engine: Engine = Engine.eager
) -> Generation:
    made = decoder_of(run_of(diffusion, rows, output_tokens, engine))
    return made.decode(make_batch(rows, list(range(len(rows))), CPU), output_tokens, Unmarked())


def settings_of(block_length: int, count: int, policy: Policy, **changes: Any) -> Diffusion:
    return a_diffusion(
        **{"steps": count * block_length, "block_length": block_length, "policy": policy, "cache": EXACT}
        | {"blocks": Blocks.sequence}
        | changes
    )


ROWS = [
    [298, 203, 192, 139, 188, 232, 26, 263, 217, 257],
    [93, 299, 127, 77],
    [178, 32, 98, 145, 257, 266, 204, 132, 179, 165, 110],
]
"""Rows that wait for each other in passes over the whole block, which changes tokens where what is kept grows new."""
THRESHOLD = Policy(name=PolicyName.threshold, threshold=0.9)
ORDERS: dict[str, dict[str, Any]] = {
    "sub_blocks": {"sub_block_length": 2},
    "kept sub_blocks": {"sub_block_length": 4, "cache": SUB_BLOCK},
    "causal context": {"causal_context": True},
}
