"""Block diffusion and Dream's sampling on a GPU: the known answers in float32, from every engine."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.engines.factory import PassFactory
from benchmark.models.loading import load_model
from crossover.records.run import Run
from crossover.records.settings import Attention, Device, Engine, Family
from tests.unit.benchmark.decoders import test_block_orders, test_known_blocks, test_known_dream

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

CUDA = torch.device("cuda")
ENGINES = [Engine.eager, Engine.compiled]


@pytest.fixture(autouse=True)
def once_for_all_shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the compiler make one program for all shapes: for each shape its own would take minutes."""
    with monkeypatch.context() as patched:
        compile_it = torch.compile
        patched.setattr(torch, "compile", lambda function, **_: compile_it(function, fullgraph=True, dynamic=True))
        yield


@cache
def factory(folder: Path) -> PassFactory:
    return PassFactory(load_model(folder, Family.diffusion, dtype=torch.float32, device=CUDA))


def generate(run: Run, made: PassFactory, rows: list[list[int]]) -> Generation:
    run = replace(run, device=Device.cuda)
    decoder = make_decoder(run, made, made.kernel(Attention.sdpa))
    return decoder.decode(make_batch(rows, list(range(len(rows))), CUDA), run.output_tokens, Unmarked())


def is_published(case: dict[str, Any], found: Generation, tokens: list[list[int]], at: list[list[int]]) -> bool:
    """Whether tokens, the forward passes that wrote them, and the positions computed are those of the case."""
    assert found.written_at_BN is not None
    positions = sum(forward.computed for forward in found.forwards)
    return bool(
        found.tokens_BN.tolist() == tokens
        and found.written_at_BN.tolist() == at
        and found.forward_passes == case["nfe"]
        and positions == case.get("positions_in_forwards", positions)
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", test_known_blocks.CASES, ids=test_known_blocks.identity)
def test_block_diffusion_gives_the_known_answers(case: dict[str, Any], engine: Engine) -> None:
    run = test_known_blocks.run_of(case, engine)
    found = generate(run, factory(test_known_blocks.KNOWN), [case["prompt_ids"]])
    assert is_published(case, found, [case["output_ids"]], [case["written_at_forward"]])
    assert [[each.step, each.position, each.token] for each in found.edits] == case.get("edits", [])


@pytest.mark.parametrize("case", test_known_blocks.PORTED, ids=test_known_blocks.identity)
def test_the_ported_loops_of_block_diffusion_give_them_too(case: dict[str, Any]) -> None:
    run = test_known_blocks.run_of(case, Engine.published)
    found = generate(run, factory(test_known_blocks.KNOWN), [case["prompt_ids"]])
    assert is_published(case, found, [case["output_ids"]], [case["written_at_forward"]])


@pytest.mark.parametrize("engine", [*ENGINES, Engine.published])
@pytest.mark.parametrize("case", test_known_dream.CASES, ids=test_known_dream.identity)
def test_dreams_sampling_gives_the_known_answers(case: dict[str, Any], engine: Engine) -> None:
    run = test_known_dream.run_of(case, engine)
    found = generate(run, factory(test_known_dream.KNOWN), case["prompt_ids"])
    assert is_published(case, found, case["output_ids"], case["written_at_forward"])


@pytest.mark.parametrize("rows", [test_block_orders.ROWS[:1], test_block_orders.ROWS], ids=["one row", "padded rows"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", test_block_orders.ORDERS)
def test_the_orders_of_blocks_are_those_on_a_cpu(order: str, engine: Engine, rows: list[list[int]]) -> None:
    """Which the plain references have, see test_block_orders.py."""
    diffusion = test_block_orders.settings_of(8, 2, test_block_orders.THRESHOLD, **test_block_orders.ORDERS[order])
    run = test_block_orders.run_of(diffusion, rows, 16, engine)
    expected = test_block_orders.decoded(diffusion, rows, 16)
    made = factory(test_known_blocks.KNOWN) if diffusion.causal_context else test_block_orders.shifted_factory(CUDA)
    found = generate(run, made, rows)
    assert found.tokens_BN.tolist() == expected.tokens_BN.tolist()
    assert found.forwards == expected.forwards
