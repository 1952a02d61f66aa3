"""Block diffusion and Dream's sampling on a GPU: the known answers in float32, from every engine."""

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
from tests.published import blocks, dream, orders

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
    pytest.mark.usefixtures("once_for_all_shapes"),
]

CUDA = torch.device("cuda")
ENGINES = [Engine.eager, Engine.compiled]


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
@pytest.mark.parametrize("case", blocks.CASES, ids=blocks.identity)
def test_block_diffusion_gives_the_known_answers(case: dict[str, Any], engine: Engine) -> None:
    run = blocks.run_of(case, engine)
    found = generate(run, factory(blocks.KNOWN), [case["prompt_ids"]])
    assert is_published(case, found, [case["output_ids"]], [case["written_at_forward"]])
    assert [[each.step, each.position, each.token] for each in found.edits] == case.get("edits", [])


@pytest.mark.parametrize("case", blocks.PORTED, ids=blocks.identity)
def test_the_ported_loops_of_block_diffusion_give_them_too(case: dict[str, Any]) -> None:
    run = blocks.run_of(case, Engine.published)
    found = generate(run, factory(blocks.KNOWN), [case["prompt_ids"]])
    assert is_published(case, found, [case["output_ids"]], [case["written_at_forward"]])


@pytest.mark.parametrize("engine", [*ENGINES, Engine.published])
@pytest.mark.parametrize("case", dream.CASES, ids=dream.identity)
def test_dreams_sampling_gives_the_known_answers(case: dict[str, Any], engine: Engine) -> None:
    run = dream.run_of(case, engine)
    found = generate(run, factory(dream.KNOWN), case["prompt_ids"])
    assert is_published(case, found, case["output_ids"], case["written_at_forward"])


@pytest.mark.parametrize("rows", [orders.ROWS[:1], orders.ROWS], ids=["one row", "padded rows"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", orders.ORDERS)
def test_the_orders_of_blocks_are_those_on_a_cpu(order: str, engine: Engine, rows: list[list[int]]) -> None:
    """Which the plain references have, see test_block_orders.py."""
    diffusion = orders.settings_of(8, 2, orders.THRESHOLD, **orders.ORDERS[order])
    run = orders.run_of(diffusion, rows, 16, engine)
    expected = orders.decoded(diffusion, rows, 16)
    made = factory(blocks.KNOWN) if diffusion.causal_context else orders.shifted_factory(CUDA)
    found = generate(run, made, rows)
    assert found.tokens_BN.tolist() == expected.tokens_BN.tolist()
    assert found.forwards == expected.forwards
