"""Dream's sampling, and Fast-dLLM's for it: the known answers, from every engine, and what is drawn."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Generation, Unmarked, make_batch
from benchmark.decoders.policies.dream.schedule import drawn
from benchmark.decoders.policies.factory import make_policy
from benchmark.decoders.schedule import dream_times, dream_transfers, planned_forwards
from benchmark.engines.sampling.noise import cells
from crossover.errors import UserError
from crossover.records.policies import USUAL_EPS, Policy
from crossover.records.run import Run
from crossover.records.settings import Attention, Engine
from tests.checkpoints import CPU
from tests.published.dream import CASES, KNOWN, dream_factory, identity, run_of, settings_of

ENGINES = [Engine.eager, Engine.compiled]
DRAWN = json.loads((KNOWN / "distributions_dream.json").read_text())
DRAWS, ROWS = 10_000, 200

pytestmark = pytest.mark.usefixtures("uncompiled")


def generate(
    case: dict[str, Any], engine: Engine, rows: list[list[int]] | None = None, run: Run | None = None
) -> Generation:
    prompts = rows or case["prompt_ids"]
    made = make_decoder(run or run_of(case, engine), dream_factory(), dream_factory().kernel(Attention.sdpa))
    return made.decode(make_batch(prompts, list(range(len(prompts))), CPU), case["gen_length"], Unmarked())


@pytest.mark.parametrize("engine", [*ENGINES, Engine.published])
@pytest.mark.parametrize("case", CASES, ids=identity)
def test_the_published_samplers_write_the_same_tokens_at_the_same_forward_passes(
    case: dict[str, Any], engine: Engine
) -> None:
    assert run_of(case, engine).infeasible is None
    found = generate(case, engine)
    assert found.written_at_BN is not None
    assert found.tokens_BN.tolist() == case["output_ids"]
    assert found.written_at_BN.tolist() == case["written_at_forward"]
    assert found.forward_passes == len(found.forwards) == case["nfe"]
    assert sum(forward.computed for forward in found.forwards) == case["positions_in_forwards"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", [case for case in CASES if len(case["prompt_ids"]) > 1], ids=identity)
def test_each_row_gives_what_it_gives_alone(case: dict[str, Any], engine: Engine) -> None:
    for prompt, expected in zip(case["prompt_ids"], case["output_ids"], strict=True):
        assert generate(case, engine, [prompt]).tokens_BN.tolist() == [expected]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", [case for case in CASES if "cache" in case], ids=identity)
def test_padding_beside_a_row_changes_nothing(case: dict[str, Any], engine: Engine) -> None:
    prompt = case["prompt_ids"][0]
    together = generate(case, engine, [prompt[2:], prompt])
    assert together.tokens_BN[0].tolist() == generate(case, engine, [prompt[2:]]).tokens_BN[0].tolist()
    assert together.tokens_BN[1].tolist() == case["output_ids"][0]


@pytest.mark.parametrize("case", [case for case in CASES if "written_per_step" in case], ids=identity)
def test_the_schedule_is_dreams(case: dict[str, Any]) -> None:
    planned = dream_transfers(case["gen_length"], case["steps"], case.get("eps", USUAL_EPS))
    assert list(planned) == case["written_per_step"]
    forwards = planned_forwards(settings_of(case), len(case["prompt_ids"][0]), case["gen_length"], 1)
    assert sum(1 for _ in forwards) == case["nfe"]


@pytest.mark.parametrize("eps", [1e-3, 0.05, 0.3])
def test_its_times_are_those_of_pytorch(eps: float) -> None:
    for steps in (1, 2, 3, 7, 24, 64, 255, 512):
        assert dream_times(steps, eps).tolist() == torch.linspace(1, eps, steps + 1).tolist()


@pytest.mark.parametrize("case", DRAWN["alg_temp"], ids=lambda case: f"{case['alg']}-{case['gen_length']}")
def test_positions_are_drawn_with_the_exact_probabilities(case: dict[str, Any]) -> None:
    scores_BM = torch.tensor(case["confidence"]).expand(DRAWS, -1)
    cells_BM = cells(torch.arange(DRAWS), 0, torch.arange(case["gen_length"]).expand(DRAWS, -1))
    policy = make_policy(settings_of(case), case["gen_length"])
    check_shares(case, policy.choose(drawn(scores_BM, case["alg_temp"], cells_BM), 0))


def test_a_decoder_draws_them_so() -> None:
    case = DRAWN["alg_temp"][0]
    check_shares(case, written_at(case) == 1)


def check_shares(case: dict[str, Any], written_BM: torch.Tensor) -> None:
    share = written_BM.double().mean(dim=0)
    probability = torch.tensor(case["probability_that_a_position_is_written"], dtype=torch.float64)
    deviation = (probability * (1 - probability) / len(written_BM)).sqrt()
    assert ((share - probability).abs() <= 4 * deviation + 1e-4).all()
    assert (written_BM.sum(dim=1) == case["positions_written_in_the_first_forward"]).all()


@pytest.mark.parametrize("case", DRAWN["origin"], ids=lambda case: f"{case['gen_length']}-{case['steps']}")
def test_origin_writes_each_position_by_itself(case: dict[str, Any]) -> None:
    at = written_at(case)
    left = 1.0
    for step, probability in enumerate(case["probability_that_a_masked_position_is_written"], start=1):
        share, expected = float((at == step).double().mean()), left * probability
        assert abs(share - expected) <= 4 * (expected * (1 - expected) / at.numel()) ** 0.5
        left -= expected


def written_at(case: dict[str, Any]) -> torch.Tensor:
    found = generate(case | {"prompt_ids": [case["prompt_ids"]] * ROWS}, Engine.eager)
    assert found.written_at_BN is not None
    return found.written_at_BN


def test_a_schedule_beside_a_cache_is_refused_where_logits_are_shifted() -> None:
    case = next(case for case in CASES if case.get("cache") == "dual")
    run = run_of(case, Engine.eager)
    assert run.diffusion is not None
    quota = replace(run, diffusion=replace(run.diffusion, policy=Policy(), steps=case["gen_length"] // 2))
    with pytest.raises(UserError, match="begin with one position alone"):
        generate(case, Engine.eager, run=quota)
