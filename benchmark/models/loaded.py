"""A checkpoint's model with its tokenizer, on a device that is there."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from benchmark.models.checkpoint import resolve
from benchmark.models.loading import LanguageModel, load_model, load_tokenizer
from crossover.errors import UserError
from crossover.records.settings import Device, Family, Precision

DTYPES = {Precision.bfloat16: torch.bfloat16, Precision.float32: torch.float32}


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A checkpoint's model with its tokenizer."""

    model: LanguageModel
    tokenizer: PreTrainedTokenizerBase


def load(
    checkpoint: str,
    revision: str | None,
    family: Family,
    precision: Precision,
    device: Device,
    *,
    block_length: int | None = None,
) -> Loaded:
    """A checkpoint's model and tokenizer, on the device; `block_length` as in `load_model`.

    Raises:
        UserError: when there is no such checkpoint, or no such device.
    """
    require_device(device)
    folder = resolve(checkpoint, revision)
    dtype, where = DTYPES[precision], torch.device(device.value)
    model = load_model(folder, family, dtype=dtype, device=where, block_length=block_length)
    return Loaded(model=model, tokenizer=load_tokenizer(folder))


def require_device(device: Device) -> None:
    """Make sure that the device is there.

    Raises:
        UserError: when it is not.
    """
    if device is Device.cuda and not torch.cuda.is_available():
        raise UserError("PyTorch finds no CUDA GPU here: install its CUDA build, use hardware=cpu, or a GPU machine")
