"""The published policies' cases on a GPU, and whether their known answers come out."""

from dataclasses import replace
from functools import cache
from typing import Any

import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.settings import Attention, Device, Engine, Family
from tests.published.policies import KNOWN, run_of

CUDA = torch.device("cuda")


@cache
def factory(*, static: bool = False) -> PassFactory:
    """The model with what was compiled for it: for each shape by itself, or once."""
    del static
    return PassFactory(load_model(KNOWN, Family.diffusion, dtype=torch.float32, device=CUDA))


def generate(case: dict[str, Any], engine: Engine, made: PassFactory) -> Generation:
    run = replace(run_of(case, engine), device=Device.cuda)
    decoder, rows = make_decoder(run, made, made.kernel(Attention.sdpa)), case["prompt_ids"]
    batch = make_batch(rows, list(range(len(rows))), CUDA)
    decoder.prepare(batch, case["gen_length"])
    return decoder.decode(batch, case["gen_length"], Unmarked())


def is_published(case: dict[str, Any], generation: Generation) -> bool:
    """Whether tokens, the forward passes that wrote them, and the positions computed are those of the case."""
    assert generation.written_at_BN is not None
    passes = 2 if case.get("cfg_scale") else 1
    return bool(
        generation.tokens_BN.tolist() == case["output_ids"]
        and generation.written_at_BN.tolist() == case["written_at_forward"]
        and generation.forward_passes == case["nfe"] * passes
        and sum(forward.computed for forward in generation.forwards) == case["positions_in_forwards"]
    )
