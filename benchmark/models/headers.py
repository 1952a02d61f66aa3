"""The header of a safetensors file: which tensors it holds, their types and shapes."""

import json
from pathlib import Path
from typing import Any

HEADER_LENGTH_BYTES = 8
LFS = b"version "
"""How a file of Git LFS begins that stands for another."""


def read_header(file: Path) -> tuple[dict[str, Any], int]:
    """The header, and the bytes that the file must have; it begins with the header's length, little-endian.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError: when it cannot be read.
    """
    with file.open("rb") as stream:
        start = stream.read(HEADER_LENGTH_BYTES)
        if start == LFS:
            raise ValueError("it is a pointer of Git LFS: git lfs pull brings the file")
        length = int.from_bytes(start, "little")
        if length > file.stat().st_size - HEADER_LENGTH_BYTES:
            raise ValueError("its header is cut short, or it is no safetensors file")
        header: dict[str, Any] = json.loads(stream.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return header, HEADER_LENGTH_BYTES + length + max(ends, default=0)
