"""Keep the last model loaded, so that neighbouring grid points share it."""

import gc
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from benchmark.errors import UserError
from benchmark.models.checkpoint import resolve
from benchmark.models.loading import LanguageModel, load_model, load_tokenizer
from benchmark.run import Device, Family, Precision

DTYPES = {Precision.bfloat16: torch.bfloat16, Precision.float32: torch.float32}


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model with its tokenizer."""

    model: LanguageModel
    tokenizer: PreTrainedTokenizerBase


def load(checkpoint: str, revision: str | None, family: Family, precision: Precision, device: Device) -> Loaded:
    """A checkpoint's model and tokenizer, on the device.

    Raises:
        UserError: when there is no such checkpoint, or no such device.
    """
    require_device(device)
    folder = resolve(checkpoint, revision)
    model = load_model(folder, family, dtype=DTYPES[precision], device=torch.device(device.value))
    return Loaded(model=model, tokenizer=load_tokenizer(folder))


def require_device(device: Device) -> None:
    """Make sure that the device is there.

    Raises:
        UserError: when it is not.
    """
    if device is Device.cuda and not torch.cuda.is_available():
        raise UserError("PyTorch finds no CUDA GPU here: install its CUDA build, use hardware=cpu, or a GPU machine")


class Shelf:
    """Room for one model; asking for another drops the first before the second is loaded."""

    def __init__(self) -> None:
        self._wanted: tuple[object, ...] | None = None
        self._loaded: Loaded | None = None

    def get(
        self, checkpoint: str, revision: str | None, family: Family, precision: Precision, device: Device
    ) -> Loaded:
        """The model, loaded only if it is not the one that the last call got."""
        wanted = (checkpoint, revision, family, precision, device)
        if self._loaded is None or wanted != self._wanted:
            self._loaded = None
            gc.collect()
            self._loaded = load(checkpoint, revision, family, precision, device)
            self._wanted = wanted
        return self._loaded


SHELF = Shelf()
"""This process's."""
