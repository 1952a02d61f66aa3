from typing import Any

import pytest

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.engines.compiled import body
from crossover.records.policies import CacheName
from crossover.records.settings import Attention, Engine
from tests.checkpoints import CPU
from tests.published.policies import CASES, identity, llada_factory, run_of

ENGINES = [Engine.eager, Engine.compiled]


pytestmark = pytest.mark.usefixtures("uncompiled")


def generate(case: dict[str, Any], engine: Engine, rows: list[list[int]] | None = None, **changes: Any) -> Generation:
    prompts = rows or case["prompt_ids"]
    made = make_decoder(run_of(case, engine, **changes), llada_factory(), llada_factory().kernel(Attention.sdpa))
    return made.decode(make_batch(prompts, list(range(len(prompts))), CPU), case["gen_length"], Unmarked())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=identity)
def test_the_published_samplers_write_the_same_tokens_at_the_same_forward_passes(
    case: dict[str, Any], engine: Engine
) -> None:
    generation = generate(case, engine)
    passes = 2 if case.get("cfg_scale") else 1
    assert generation.written_at_BN is not None
    assert generation.tokens_BN.tolist() == case["output_ids"]
    assert generation.written_at_BN.tolist() == case["written_at_forward"]
    assert generation.forward_passes == len(generation.forwards) == case["nfe"] * passes
    assert sum(forward.computed for forward in generation.forwards) == case["positions_in_forwards"]


@pytest.mark.parametrize("case", [case for case in CASES if "cfg_scale" not in case], ids=identity)
def test_the_ported_loop_is_the_published_one(case: dict[str, Any]) -> None:
    generation = generate(case, Engine.published)
    assert generation.tokens_BN.tolist() == case["output_ids"]
    assert generation.forward_passes == case["nfe"]
    if (case["policy"], case["cache"]) != ("quota", "none"):  # LLaDA's loop does not tell more
        assert generation.written_at_BN is not None
        assert generation.written_at_BN.tolist() == case["written_at_forward"]
        assert sum(forward.computed for forward in generation.forwards) == case["positions_in_forwards"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", [case for case in CASES if len(case["prompt_ids"]) > 1], ids=identity)
def test_each_row_gives_what_it_gives_alone(case: dict[str, Any], engine: Engine) -> None:
    for index, prompt in enumerate(case["prompt_ids"]):
        alone = generate(case, engine, [prompt])
        assert alone.tokens_BN.tolist() == [case["output_ids"][index]]
        if forwards := case.get("nfe_of_each_row_alone"):
            assert alone.forward_passes == forwards[index]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", [case for case in CASES if len(case["prompt_ids"]) > 1], ids=identity)
def test_padding_beside_a_row_changes_nothing(case: dict[str, Any], engine: Engine) -> None:
    prompt = case["prompt_ids"][0]
    shorter = prompt[3:]
    together = generate(case, engine, [shorter, prompt])
    assert together.tokens_BN.tolist() == [
        generate(case, engine, [shorter]).tokens_BN[0].tolist(),
        case["output_ids"][0],
    ]


@pytest.mark.parametrize("cache", [CacheName.prefix, CacheName.dual])
def test_a_batch_in_parts_keeps_its_keys_apart(cache: CacheName, monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in CASES if case["cache"] == cache.value and len(case["prompt_ids"]) > 1)
    monkeypatch.setattr(body, "PART_TOKENS", len(case["prompt_ids"][0]) + case["gen_length"])
    assert generate(case, Engine.compiled).tokens_BN.tolist() == case["output_ids"]
