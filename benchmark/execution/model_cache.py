"""Keep the last model loaded, so that neighbouring grid points share it and what was compiled for it."""

import gc
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from benchmark.engines.factory import PassFactory
from benchmark.models.checkpoint import architecture_folder
from benchmark.models.loaded import DTYPES, load, require_device
from benchmark.models.loading import LanguageModel, random_model
from crossover.records.policies import Blocks
from crossover.records.run import Run
from crossover.records.settings import Weights


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """What a run measures: a model, its passes, and a tokenizer unless its weights are random."""

    model: LanguageModel
    factory: PassFactory
    tokenizer: PreTrainedTokenizerBase | None


class ModelCache:
    """Holds one loaded model. A request for another model drops the first before the second is loaded."""

    def __init__(self) -> None:
        self._wanted: tuple[object, ...] | None = None
        self._loaded: LoadedModel | None = None

    def get(self, run: Run) -> LoadedModel:
        """The run's model; it is loaded only if the last call asked for another."""
        model, settings = run.model, (run.weights, run.precision, run.device, _block_length(run))
        wanted = (model.checkpoint, model.revision, model.architecture, model.family, *settings)
        if self._loaded is None or wanted != self._wanted:
            if self._loaded is not None:
                self._loaded.factory.close()
            self._loaded = None
            give_back_memory()
            self._loaded = _load(run)
            self._wanted = wanted
        return self._loaded


def give_back_memory() -> None:
    """Give the device what nothing uses any more, before a model or the passes of another shape take theirs.

    A tensor in a piece of memory that a larger one left would keep all of that piece, and show in the next peak.
    """
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _load(run: Run) -> LoadedModel:
    if run.weights is Weights.random:
        require_device(run.device)
        folder = architecture_folder(run.model.architecture, run.model.checkpoint, run.model.revision)
        dtype, device = DTYPES[run.precision], torch.device(run.device.value)
        model = random_model(folder, run.model.family, dtype=dtype, device=device, block_length=_block_length(run))
        return LoadedModel(model=model, factory=PassFactory(model), tokenizer=None)
    wanted, blocks = run.model, _block_length(run)
    loaded = load(wanted.checkpoint, wanted.revision, wanted.family, run.precision, run.device, block_length=blocks)
    return LoadedModel(model=loaded.model, factory=PassFactory(loaded.model), tokenizer=loaded.tokenizer)


def _block_length(run: Run) -> int | None:
    """The blocks of a block-causal model, for one whose checkpoint names none."""
    is_in_blocks = run.diffusion is not None and run.diffusion.blocks is Blocks.sequence
    return run.diffusion.block_length if run.diffusion is not None and is_in_blocks else None


MODEL_CACHE = ModelCache()
"""The model cache of this process."""
