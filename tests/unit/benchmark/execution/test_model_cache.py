import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.execution.model_cache import ModelCache
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.models.layouts import Modules
from benchmark.models.loaded import load
from benchmark.models.modules import MODELS, module_config
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Device, Engine, Family, Precision, Weights
from tests.checkpoints import llada_settings
from tests.factories import a_run, an_autoregressive_run


def wanting(checkpoint: Path | str, family: Family = Family.diffusion, **changes: Any) -> Run:
    run = a_run() if family is Family.diffusion else an_autoregressive_run()
    return replace(run, model=replace(run.model, checkpoint=str(checkpoint)), judge=None, **changes)


def test_the_same_model_is_loaded_once(llada: Path) -> None:
    models = ModelCache()
    assert models.get(wanting(llada)) is models.get(wanting(llada, batch=1, engine=Engine.compiled))


def test_another_model_takes_the_place_of_the_first(llada: Path, llama: Path) -> None:
    models = ModelCache()
    first = models.get(wanting(llada))
    second = models.get(wanting(llama, Family.autoregressive))
    assert second.model.mask_id is None
    assert models.get(wanting(llada)) is not first


def test_the_precision_is_part_of_what_is_asked_for(llada: Path) -> None:
    models = ModelCache()
    sizes = [
        models.get(wanting(llada, precision=precision)).model.weights_bytes
        for precision in (Precision.float32, Precision.bfloat16)
    ]
    assert sizes[0] == 2 * sizes[1]


def test_a_failed_load_leaves_the_shelf_usable(llada: Path) -> None:
    models = ModelCache()
    with pytest.raises(UserError):
        models.get(wanting("./nowhere"))
    assert models.get(wanting(llada)).model.mask_id == 1


def test_a_gpu_that_is_not_there_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="PyTorch finds no CUDA GPU here"):
        load("./nowhere", None, Family.diffusion, Precision.float32, Device.cuda)


def test_random_weights_need_an_architecture_alone_and_are_the_same_every_time(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(llada_settings()))
    run = wanting("someone/somewhere", weights=Weights.random)
    run = replace(run, model=replace(run.model, architecture=str(tmp_path)))
    first, second = (ModelCache().get(run) for _ in range(2))
    assert first.tokenizer is None
    assert first.model.mask_id == 1
    weights = [loaded.model.llama.lm_head.weight for loaded in (first, second)]
    assert torch.equal(*weights)
    assert 0.01 < float(weights[0].std()) < 0.03
    assert torch.isfinite(first.model.llama(torch.tensor([[2, 3]])).logits).all()


@pytest.mark.parametrize(("name", "parameters"), [("llada_8b", 8_015_581_184), ("llama3_8b", 8_030_261_248)])
def test_the_architectures_that_come_along_are_those_of_the_8b_pair(name: str, parameters: int) -> None:
    family = Family.diffusion if name == "llada_8b" else Family.autoregressive
    with torch.device("meta"):
        model = MODELS[Modules.llama](module_config(read_config(ASSETS / name), family, name, attention="sdpa"))
    assert sum(weight.numel() for weight in model.parameters()) == parameters
