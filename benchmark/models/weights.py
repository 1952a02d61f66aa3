"""What a checkpoint's safetensors files hold, by their headers alone: nothing of the weights themselves is read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.models.architecture import architecture_of, layout_of, module_name, stored_name
from benchmark.models.checkpoint import advice, read_config, weight_files
from benchmark.models.headers import read_header
from crossover.errors import UserError
from crossover.records.settings import Family

HARMLESS = re.compile(r"(.*\.)?(rotary_emb\.((original_)?inv_freq|cos_cached|sin_cached)|(masked_bias|attn\.bias))")
"""Tensors that older programs wrote beside the weights and that follow from config.json."""

FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """One tensor of a file."""

    name: str
    file: Path
    dtype: str
    shape: tuple[int, ...]


def check_checkpoint(folder: Path, family: Family, where: str, *, compiled: bool = False) -> None:
    """Look at everything about a checkpoint that can be seen without reading its weights.

    Raises:
        UserError: when it is of another family, asks for a computation that is not supported, by the compiled engine if
            that shall run it, or its files are not what config.json asks for.
    """
    config = read_config(folder)
    architecture = architecture_of(config, family, where)
    if compiled:
        architecture.check_compiled(f"checkpoint {where}")
    check_weights(folder, config, family)


def check_weights(folder: Path, config: dict[str, Any], family: Family) -> None:
    """Hold the tensors of a checkpoint against those that its config.json asks for.

    Raises:
        UserError: naming a tensor that is missing, unknown, of another shape or no floating-point number, and its file.
    """
    layout, architecture = layout_of(config, family, str(folder)), architecture_of(config, family, str(folder))
    expected = architecture.shapes()
    stored: dict[str, TensorInfo] = {}
    for info in tensors(folder):
        name = module_name(info.name, layout)
        if (twice := stored.get(name)) is not None:
            raise UserError(
                f"checkpoint {folder}: the weight {info.name} is in {twice.file.name} and in {info.file.name}:"
                " remove the file that does not belong to the checkpoint"
            )
        stored[name] = info
    if architecture.is_tied:
        stored.pop("lm_head.weight", None)
    missing = [stored_name(name, layout) for name in expected if name not in stored]
    if missing:
        raise UserError(f"checkpoint {folder}: the weight {_some(missing)} is missing; {advice(folder)}")
    unknown = {info.name: info.file.name for name, info in stored.items() if name not in expected}
    if unknown:
        raise UserError(
            f"checkpoint {folder}: the weight {_some(list(unknown))} is not known to this architecture"
            f" ({unknown[min(unknown)]}): give a checkpoint whose config.json is of its weights"
        )
    _check_each(folder, expected, stored)


def tensors(folder: Path) -> Iterator[TensorInfo]:
    """What the checkpoint's files hold, without what is known to be harmless beside the weights.

    Raises:
        UserError: when a file is none of weights, or was cut short.
    """
    for file in weight_files(folder):
        for name, entry in _header(folder, file).items():
            if name != "__metadata__" and not HARMLESS.fullmatch(name):
                yield TensorInfo(name=name, file=file, dtype=entry["dtype"], shape=tuple(entry["shape"]))


def _check_each(folder: Path, expected: dict[str, tuple[int, ...]], stored: dict[str, TensorInfo]) -> None:
    for name, info in stored.items():
        if info.dtype not in FLOATS:
            raise UserError(
                f"checkpoint {folder}: {info.file.name} holds {info.name} as {info.dtype}: quantised weights are not"
                f" supported; give the checkpoint in bfloat16, float16 or float32"
            )
        if info.shape != expected[name]:
            raise UserError(
                f"checkpoint {folder}: {info.name} has the shape {info.shape}, config.json asks for {expected[name]}"
                f" ({info.file.name}): give a checkpoint whose config.json is of its weights"
            )


def _header(folder: Path, file: Path) -> dict[str, Any]:
    """The header of a safetensors file."""
    try:
        header, end = read_header(file)
        size = file.stat().st_size
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"checkpoint {folder}: {file.name} cannot be read ({error}); {advice(folder)}") from error
    if size < end:
        raise UserError(
            f"checkpoint {folder}: {file.name} cannot be read (it was cut short: {size} of {end} bytes);"
            f" {advice(folder)}"
        )
    return header


def _some(names: list[str]) -> str:
    first, *others = sorted(names)
    return f"{first} and {len(others)} more" if others else first
