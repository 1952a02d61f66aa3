"""The presets' grids are those of the contract, for any pair, and name what no machine can run."""

from dataclasses import replace
from itertools import product

import pytest

from benchmark.config.convert import to_run
from benchmark.dispatch.ledger import grid_point
from benchmark.sweep.plan import Plan, plan
from crossover.errors import UserError
from tests.composition import composed, config

REPORT = {"model": "llama,llada", "batch": "1,8,32", "length": "512,1024,2048", "steps": "32,64,128"}
FULL = REPORT | {"batch": "1,4,8,16,32,64", "length": "128,512,1024,2048", "steps": "16,32,64,128,256"}


def planned(grid: dict[str, str], *overrides: str) -> Plan:
    """The plan of a grid, composed once a model."""
    numbers = [[int(level) for level in grid[key].split(",")] for key in ("batch", "length", "steps")]
    return plan(
        [
            grid_point(to_run(replace(made, batch=batch, length=length, steps=steps), lambda: 0), [])
            for made in (config(f"model={model}", *overrides) for model in grid["model"].split(","))
            for batch, length, steps in product(*numbers)
        ]
    )


@pytest.mark.parametrize(("name", "grid"), [("report", REPORT), ("full", FULL)])
def test_a_preset_is_a_sweep_over_the_levels_of_the_contract(name: str, grid: dict[str, str]) -> None:
    made = composed(f"sweep={name}", "hardware=a100", with_hydra=True)
    assert dict(made.hydra.sweeper.params) == grid
    assert list(made.hydra.sweeper.params) == list(grid)  # the last varies fastest
    assert (made.sweep.name, made.hydra.mode.name) == (name, "MULTIRUN")
    assert made.hydra.sweeper._target_.endswith("GridSweeper")
    assert made.hydra.launcher.gres == "gpu:a100:1"


@pytest.mark.parametrize(
    ("grid", "total", "dispatched", "infeasible"), [(REPORT, 54, 9 + 27, 0), (FULL, 240, 24 + 108, 12)]
)
def test_steps_of_the_baseline_are_one_run_and_more_steps_than_tokens_are_infeasible(
    grid: dict[str, str], total: int, dispatched: int, infeasible: int
) -> None:
    made = planned(grid, "hardware=a100")
    assert (made.total, len(made.dispatched), len(made.infeasible)) == (total, dispatched, infeasible)
    assert {point.run.length for point in made.infeasible} <= {128}


def test_another_pair_takes_one_word_and_its_context_bounds_the_grid() -> None:
    made = planned(REPORT | {"model": "tiny_llama,tiny_llada"})
    assert len(made.dispatched) == 3 + 9
    assert all("is more than the context" in str(point.run.infeasible) for point in made.infeasible)


def test_a_sweep_of_fronts_varies_the_temperature_in_both_arms() -> None:
    made = composed("sweep=front", with_hydra=True)
    grid = dict(made.hydra.sweeper.params)
    assert grid["model"] == "tiny_llama,tiny_llada"
    assert len(grid["temperature"].split(",")) >= 4
    assert len(grid["steps"].split(",")) >= 3
    assert (made.sweep.name, made.hydra.mode.name, made.prompts.count) == ("front", "MULTIRUN", 24)


def test_a_model_that_is_not_of_its_pair_is_refused() -> None:
    with pytest.raises(UserError, match="pair=sdar_8b is of model=qwen3_8b,sdar_8b, and model=llada is none of them"):
        config("pair=sdar_8b", "model=llada")


def test_a_pair_takes_the_place_of_a_presets_models() -> None:
    params = composed("sweep=report", "pair=dream_7b", "hardware=a100", with_hydra=True).hydra.sweeper.params
    assert dict(params) == REPORT | {"model": "qwen25_7b,dream_7b"}


def test_a_pair_alone_is_a_sweep_over_its_models() -> None:
    made = composed("pair=sdar_8b", "hardware=a100", with_hydra=True)
    assert dict(made.hydra.sweeper.params) == {"model": "qwen3_8b,sdar_8b"}
    assert made.hydra.mode.name == "MULTIRUN"
