"""What a checkpoint or a file holds, as a hash. A name says where something was read, its content what it was.

A file is read once: its hash is kept in the user's cache folder by its path, size, times of change and inode, so that
16 GB of weights cost a look at them from then on. Where the hub's client keeps a large file, the hash is its name.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from benchmark.models.checkpoint import weight_files
from benchmark.util.cache import extend_cache, read_cache
from crossover.errors import UserError

CACHE = "contents.json"
"""Where hashes are kept in the user's cache folder."""
KEPT_FROM_BYTES = 1 << 20
"""Smaller files are read each time: looking them up would take as long."""
BESIDE_WEIGHTS = (
    "config.json",
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.*",
    "merges.txt",
    "*.model",
)
"""What else of a checkpoint decides what a model computes."""
BLOB = re.compile(r"[0-9a-f]{64}")
SHORT = 16
"""Hexadecimal digits of a hash that are enough to tell contents apart."""


def checkpoint_content(folder: Path) -> str:
    """Hash of a checkpoint: its configuration, its tokenizer, and every value of its weights.

    Raises:
        UserError: when a file is missing or cannot be read.
    """
    parts = [f"{file.name} {file_content(file)}" for file in _files(folder)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:SHORT]


def file_content(file: Path) -> str:
    """Hash of a file.

    Raises:
        UserError: when it cannot be read.
    """
    try:
        return _blob(file) or _kept(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error


def text_content(text: str) -> str:
    """Hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT]


def _files(folder: Path) -> Iterator[Path]:
    for pattern in BESIDE_WEIGHTS:
        yield from sorted(folder.glob(pattern))
    yield from weight_files(folder)


def _blob(file: Path) -> str | None:
    """The hash that the hub's client has given a large file as its name; None for any other file."""
    target = file.resolve()
    is_blob = file.is_symlink() and target.parent.name == "blobs" and BLOB.fullmatch(target.name)
    return target.name[:SHORT] if is_blob else None


def _kept(file: Path) -> str:
    """The hash that is known of this very file; computed where none is."""
    seen = file.stat()
    if seen.st_size < KEPT_FROM_BYTES:
        return _hash(file)
    path, identity = str(file.resolve()), [seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino]
    known = read_cache(CACHE).get(path)
    if isinstance(known, list) and known[:-1] == identity and isinstance(known[-1], str):
        return known[-1]
    content = _hash(file)
    extend_cache(CACHE, {path: [*identity, content]})
    return content


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:SHORT]
