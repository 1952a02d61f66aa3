"""The size of a head of a checkpoint whose config.json does not say it.

Of the modules here, those of Llama and Qwen2 then have `hidden_size / num_attention_heads`, and those of Qwen3 and
Ministral3 a default of their own. What the weights are made for is seen from their shapes.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.models.headers import read_header

DEFAULT = 128
TYPES = ("qwen3", "sdar", "a2d-qwen3", "nemotron_labs_diffusion")
"""The types whose modules have that default."""

NORM = re.compile(r".*layers\.0\.self_attn\.q_norm\.weight")
QUERIES = re.compile(r".*layers\.0\.self_attn\.q_proj\.weight")


def head_of(folder: Path, config: Mapping[str, Any]) -> int | None:
    """The size, where config.json leaves it to a default that is not the division; None where it does not."""
    if config.get("head_dim") is not None or config.get("model_type") not in TYPES:
        return None
    shapes = _shapes(folder)
    heads = config.get("num_attention_heads")
    for name, shape in shapes.items():
        if NORM.fullmatch(name) and len(shape) == 1:
            return shape[0]
    for name, shape in shapes.items():
        if QUERIES.fullmatch(name) and isinstance(heads, int) and heads > 0 and shape and shape[0] % heads == 0:
            return shape[0] // heads
    return DEFAULT


def _shapes(folder: Path) -> dict[str, list[int]]:
    """Of all tensors in the folder's files; those that cannot be read are for the loader to report."""
    shapes: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            header, _ = read_header(file)
            shapes |= {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            continue
    return shapes
