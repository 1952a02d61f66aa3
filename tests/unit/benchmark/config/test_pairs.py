"""Every pair from its file to its records: predicted for an A100, and run with its models shrunken."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from benchmark.config.convert import to_run
from benchmark.config.folder import CONF, options
from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.models.checkpoint import ASSETS, BUILTIN, read_config
from benchmark.sweep.dry_run import forecast
from crossover.records.policies import Blocks
from crossover.records.run import Run
from crossover.records.settings import Attention, Device, Engine, Family, Precision
from tests.composition import config

SMALL = {
    "vocab_size": 40,
    "embedding_size": 40,
    "bos_token_id": None,
    "eos_token_id": 0,
    "pad_token_id": 0,
    "hidden_size": 16,
    "d_model": 16,
    "intermediate_size": 24,
    "mlp_hidden_size": 24,
    "num_hidden_layers": 2,
    "n_layers": 2,
    "num_attention_heads": 4,
    "n_heads": 4,
    "num_key_value_heads": 2,
    "n_kv_heads": 4,
    "head_dim": 4,
}


MASK = {"mask_token_id": 2}
OUTPUT = 32


def on_this_machine(run: Run, folder: Path) -> Run:
    """The same run on a CPU, short, with small random weights."""
    diffusion = run.diffusion
    if diffusion is not None:
        block = diffusion.block_length if diffusion.blocks is Blocks.sequence else OUTPUT
        diffusion = replace(diffusion, steps=OUTPUT, block_length=block)
    return replace(
        run,
        diffusion=diffusion,
        device=Device.cpu,
        gpu=None,
        precision=Precision.float32,
        engine=Engine.eager,
        attention=Attention.sdpa,
        batch=2,
        length=2 * OUTPUT,
        warmup=0,
        repeats=1,
        judge=None,
        encoder=None,
        likelihood=None,
        stopping=None,
        settle_s=None,
        prompts=replace(run.prompts, count=2),
        model=replace(run.model, architecture=shrunken(run, folder)),
    )


def shrunken(run: Run, folder: Path) -> str:
    """A folder with the model's own config.json, each size of it small."""
    named = run.model.architecture or run.model.checkpoint
    assert named.startswith(BUILTIN)
    own = read_config(ASSETS / named.removeprefix(BUILTIN))
    small = folder / run.model.name
    small.mkdir()
    (small / "config.json").write_text(json.dumps(own | {key: SMALL[key] for key in own if key in SMALL} | MASK))
    return str(small)


PAIRS = [name for name in options()["pair"] if name != "none"]


@cache
def arms_of(pair: str) -> tuple[Run, Run]:
    """Both models of a pair, as its file has them."""
    models = OmegaConf.load(CONF / "pair" / f"{pair}.yaml").pair.models.split(",")
    baseline, diffusion = (
        to_run(config(f"pair={pair}", f"model={model}", "hardware=a100", "weights=random"), lambda: 1)
        for model in models
    )
    return baseline, diffusion


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_is_both_models_with_what_makes_them_comparable(pair: str) -> None:
    baseline, diffusion = arms_of(pair)
    assert (baseline.model.family, diffusion.model.family) == (Family.autoregressive, Family.diffusion)
    assert baseline.infeasible is None
    assert diffusion.infeasible is None
    for shared in (
        "length",
        "prompt_fraction",
        "temperature",
        "prompts",
        "precision",
        "engine",
        "attention",
        "weights",
    ):
        assert getattr(baseline, shared) == getattr(diffusion, shared)
    preset = OmegaConf.load(CONF / "pair" / f"{pair}.yaml")
    assert (preset.pair.name, preset.hydra.mode) == (pair, "MULTIRUN")


@pytest.mark.parametrize("pair", PAIRS)
def test_a_block_causal_model_is_decoded_in_its_own_blocks_with_an_exact_cache(pair: str) -> None:
    settings = arms_of(pair)[1].diffusion
    assert settings is not None
    is_in_blocks = settings.blocks is Blocks.sequence
    assert is_in_blocks == pair.startswith(("sdar", "fast_dllm", "nemotron", "qwen3_0_6b_bd3lm", "tiny_twin"))
    assert (settings.cache is not None) == is_in_blocks
    assert settings.block_length == (
        {"sdar": 4, "tiny": 16}.get(pair[:4], 32) if is_in_blocks else settings.block_length
    )


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_is_predicted_for_an_a100(pair: str) -> None:
    for each in forecast(arms_of(pair), remote=True):
        assert each.prediction is not None
        assert each.prediction.latency_s > 0
        assert each.note == ""


@pytest.mark.parametrize("pair", PAIRS)
def test_a_pair_runs_to_its_records(pair: str, tmp_path: Path) -> None:
    """Random weights in each model's own layout, with its own attention, blocks and cache."""
    records = [
        execute(on_this_machine(run, tmp_path), sweep="pairs", models=ModelCache(), report=lambda *_: None)
        for run in arms_of(pair)
    ]
    for record in records:
        assert record.measurement is not None, record.failure
        assert record.measurement.forward_passes >= OUTPUT
