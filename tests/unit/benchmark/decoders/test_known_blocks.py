"""Block diffusion: the known answers, from every engine."""

from dataclasses import replace
from typing import Any

import pytest

from benchmark.decoders.blocks.decoder import BlockDiffusionDecoder
from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.decoders.remaining import ImmediateReadback
from benchmark.decoders.schedule import planned_forwards
from crossover.records.policies import Cache
from crossover.records.settings import Attention, Engine
from tests.checkpoints import CPU
from tests.published.blocks import (
    CASES,
    EXACT,
    KEPT,
    PORTED,
    identity,
    run_of,
    sdar_factory,
    settings_of,
)

ENGINES = [Engine.eager, Engine.compiled]

pytestmark = pytest.mark.usefixtures("uncompiled")


def generate(case: dict[str, Any], engine: Engine, rows: list[list[int]] | None = None, **changes: Any) -> Generation:
    prompts = rows or [case["prompt_ids"]]
    made = make_decoder(run_of(case, engine, **changes), sdar_factory(), sdar_factory().kernel(Attention.sdpa))
    return made.decode(make_batch(prompts, list(range(len(prompts))), CPU), case["gen_length"], Unmarked())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=identity)
def test_the_published_samplers_write_the_same_tokens_at_the_same_forward_passes(
    case: dict[str, Any], engine: Engine
) -> None:
    found = generate(case, engine)
    assert found.written_at_BN is not None
    assert found.tokens_BN.tolist() == [case["output_ids"]]
    assert found.written_at_BN.tolist() == [case["written_at_forward"]]
    assert found.forward_passes == len(found.forwards) == case["nfe"]
    if "positions_in_forwards" in case:
        assert sum(forward.computed for forward in found.forwards) == case["positions_in_forwards"]
    assert [[each.step, each.position, each.token] for each in found.edits] == case.get("edits", [])
    assert found.prompts_BP is not None
    assert found.prompts_BP.tolist() == [case["prompt_ids"]]
    check_schedule(case, found)


def check_schedule(case: dict[str, Any], found: Generation) -> None:
    """The schedule says how many forward passes there can be, and where the text has no say what each of them does."""
    settings, prompt = settings_of(case), len(case["prompt_ids"])
    most = list(planned_forwards(settings, prompt, case["gen_length"], 1))
    fewest = list(planned_forwards(settings, prompt, case["gen_length"], 1, fewest=True))
    assert len(fewest) <= found.forward_passes <= len(most)
    if not settings.policy.is_self_paced:
        assert list(found.forwards) == most == fewest


@pytest.mark.parametrize("case", PORTED, ids=identity)
def test_the_ported_loop_is_the_published_one(case: dict[str, Any]) -> None:
    found = generate(case, Engine.published)
    assert found.written_at_BN is not None
    assert found.tokens_BN.tolist() == [case["output_ids"]]
    assert found.written_at_BN.tolist() == [case["written_at_forward"]]
    assert found.forward_passes == len(found.forwards) == case["nfe"]
    assert sum(forward.computed for forward in found.forwards) == case["positions_in_forwards"]


ONE_OF_EACH = [CASES[index] for index in (1, 4, 6, 10, 16, 21)]
"""Static, sequential, dynamic, LLaDA2's, editing, entropy-bounded; half of them with a prompt that fills no block."""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=identity)
def test_the_exact_cache_changes_no_token(case: dict[str, Any], engine: Engine) -> None:
    other = generate(case, engine, cache=None if case["loop"] in KEPT else EXACT)
    assert other.tokens_BN.tolist() == [case["output_ids"]]
    assert [each[2:] for each in other.edits] == [tuple(each[1:]) for each in case.get("edits", [])]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=identity)
def test_each_row_of_a_padded_batch_gives_what_it_gives_alone(case: dict[str, Any], engine: Engine) -> None:
    prompt = case["prompt_ids"]
    rows = [prompt[:1], prompt, [7, 3, *prompt]]
    together = generate(case, engine, rows)
    for index in (0, 2):
        assert together.tokens_BN[index].tolist() == generate(case, engine, [rows[index]]).tokens_BN[0].tolist()
    assert together.tokens_BN[1].tolist() == case["output_ids"]


@pytest.mark.parametrize("cache", [EXACT, None], ids=str)
@pytest.mark.parametrize("case", [CASES[index] for index in (1, 6, 21)], ids=identity)
def test_a_host_that_goes_ahead_changes_no_token_and_no_recorded_forward_pass(
    case: dict[str, Any], cache: Cache | None
) -> None:
    made = make_decoder(run_of(case, Engine.eager, cache=cache), sdar_factory(), sdar_factory().kernel(Attention.sdpa))
    assert isinstance(made, BlockDiffusionDecoder)
    batch = make_batch([case["prompt_ids"]], [0], CPU)
    at_once, late = (
        replace(made, readback=readback).decode(batch, case["gen_length"], Unmarked())
        for readback in (ImmediateReadback(), ImmediateReadback(goes_ahead=True))
    )
    assert late.tokens_BN.tolist() == at_once.tokens_BN.tolist() == [case["output_ids"]]
    assert late.forwards == at_once.forwards
    assert late.spare_passes <= case["gen_length"] // case["block_length"] + 1  # one a block
