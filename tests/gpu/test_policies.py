"""Policies and caches on a GPU: the known answers in float32, from every engine."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.settings import Attention, Device, Engine, Family
from tests.unit.benchmark.decoders.test_known_policies import CASES, KNOWN, identity, run_of

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

CUDA = torch.device("cuda")
STATIC = [case for case in CASES if len(case["prompt_ids"]) > 1 and case["block_length"] == 16][:3]


@pytest.fixture
def once_for_all_shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the compiler make one program for all shapes: for each shape its own would take minutes."""
    with monkeypatch.context() as patched:
        compile_it = torch.compile
        patched.setattr(torch, "compile", lambda function, **_: compile_it(function, fullgraph=True, dynamic=True))
        yield


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


@pytest.mark.usefixtures("once_for_all_shapes")
@pytest.mark.parametrize("engine", [Engine.eager, Engine.compiled])
@pytest.mark.parametrize("case", CASES, ids=identity)
def test_every_known_answer_comes_out_on_a_gpu(case: dict[str, Any], engine: Engine) -> None:
    assert is_published(case, generate(case, engine, factory()))


@pytest.mark.parametrize("case", STATIC, ids=identity)
def test_programs_for_one_shape_each_give_the_known_answers_too(case: dict[str, Any]) -> None:
    assert is_published(case, generate(case, Engine.compiled, factory(static=True)))


@pytest.mark.parametrize("case", [case for case in CASES if "cfg_scale" not in case], ids=identity)
def test_the_ported_loop_gives_them_too(case: dict[str, Any]) -> None:
    assert generate(case, Engine.published, factory()).tokens_BN.tolist() == case["output_ids"]
