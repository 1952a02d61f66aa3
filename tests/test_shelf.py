from pathlib import Path

import pytest
import torch

from benchmark.errors import UserError
from benchmark.shelf import Shelf, load
from benchmark.run import Device, Family, Precision


def test_the_same_model_is_loaded_once(llada: Path) -> None:
    shelf = Shelf()
    wanted = (str(llada), None, Family.diffusion, Precision.float32, Device.cpu)
    assert shelf.get(*wanted) is shelf.get(*wanted)


def test_another_model_takes_the_place_of_the_first(llada: Path, llama: Path) -> None:
    shelf = Shelf()
    first = shelf.get(str(llada), None, Family.diffusion, Precision.float32, Device.cpu)
    second = shelf.get(str(llama), None, Family.autoregressive, Precision.float32, Device.cpu)
    assert second.model.mask_id is None
    assert shelf.get(str(llada), None, Family.diffusion, Precision.float32, Device.cpu) is not first


def test_the_precision_is_part_of_what_is_asked_for(llada: Path) -> None:
    shelf = Shelf()
    sizes = [
        shelf.get(str(llada), None, Family.diffusion, precision, Device.cpu).model.weights_bytes
        for precision in (Precision.float32, Precision.bfloat16)
    ]
    assert sizes[0] == 2 * sizes[1]


def test_a_failed_load_leaves_the_shelf_usable(llada: Path) -> None:
    shelf = Shelf()
    with pytest.raises(UserError):
        shelf.get("./nowhere", None, Family.diffusion, Precision.float32, Device.cpu)
    assert shelf.get(str(llada), None, Family.diffusion, Precision.float32, Device.cpu).model.mask_id == 1


def test_a_gpu_that_is_not_there_is_said_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="PyTorch finds no CUDA GPU here"):
        load("./nowhere", None, Family.diffusion, Precision.float32, Device.cuda)
