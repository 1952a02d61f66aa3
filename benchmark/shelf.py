"""Keep the last model loaded, so that neighbouring grid points share it and what was compiled for it."""

import gc
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from benchmark.engines.factory import Workshop
from benchmark.models.checkpoint import architecture_folder, resolve
from benchmark.models.loading import LanguageModel, load_model, load_tokenizer, random_model
from records.errors import UserError
from records.run import Run
from records.settings import Device, Family, Precision, Weights

DTYPES = {Precision.bfloat16: torch.bfloat16, Precision.float32: torch.float32}


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A checkpoint's model with its tokenizer."""

    model: LanguageModel
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What a run measures: a model, its passes, and a tokenizer unless its weights are random."""

    model: LanguageModel
    workshop: Workshop
    tokenizer: PreTrainedTokenizerBase | None


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
    """Room for one arm; asking for another drops the first before the second is loaded."""

    def __init__(self) -> None:
        self._wanted: tuple[object, ...] | None = None
        self._arm: Arm | None = None

    def get(self, run: Run) -> Arm:
        """The arm of a run, loaded only if it is not the one that the last call got."""
        model = run.model
        wanted = (model.checkpoint, model.revision, model.architecture, model.family)
        wanted += (run.weights, run.precision, run.device)  # type: ignore[assignment]
        if self._arm is None or wanted != self._wanted:
            if self._arm is not None:
                self._arm.workshop.close()
            self._arm = None
            gc.collect()
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()  # the next model in pieces of the last one's memory would hold on to all of it
            self._arm = _arm(run)
            self._wanted = wanted
        return self._arm


def _arm(run: Run) -> Arm:
    if run.weights is Weights.random:
        require_device(run.device)
        folder = architecture_folder(run.model.architecture, run.model.checkpoint, run.model.revision)
        dtype, device = DTYPES[run.precision], torch.device(run.device.value)
        model = random_model(folder, run.model.family, dtype=dtype, device=device)
        return Arm(model=model, workshop=Workshop(model), tokenizer=None)
    loaded = load(run.model.checkpoint, run.model.revision, run.model.family, run.precision, run.device)
    return Arm(model=loaded.model, workshop=Workshop(loaded.model), tokenizer=loaded.tokenizer)


SHELF = Shelf()
"""This process's."""
