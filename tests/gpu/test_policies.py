"""Policies and caches on a GPU: the known answers in float32, from every engine."""

from typing import Any

import pytest
import torch

from crossover.records.settings import Engine
from tests.gpu.policies import factory, generate, is_published
from tests.published.policies import CASES, identity

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

STATIC = [case for case in CASES if len(case["prompt_ids"]) > 1 and case["block_length"] == 16][:3]


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
