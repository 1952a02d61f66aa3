"""The fingerprint of a run: its configuration without secrets, its checkpoint's revision, the hash of its weights."""

import hashlib
import json
import re
from pathlib import Path

from benchmark.models.checkpoint import find, is_remote, weight_files
from crossover.addresses import all_masked
from crossover.errors import UserError
from crossover.records.record import Fingerprint
from crossover.records.settings import Model

SNAPSHOT = re.compile(r"[0-9a-f]{40}")
HEADER_LENGTH_BYTES = 8
HEADER_LIMIT_BYTES = 100 << 20
SMALL_BYTES = 64 << 20


def fingerprint(model: Model, config: str | None) -> Fingerprint:
    """The fingerprint of one run.

    Where the checkpoint is not on this machine, the revision is that of the configuration and the hash is None.
    """
    folder = _on_this_machine(model)
    return Fingerprint(
        config=None if config is None else without_secrets(config),
        revision=model.revision if folder is None else revision(folder) or model.revision,
        weights_sha256=None if folder is None else weights_sha256(folder),
    )


def without_secrets(config: str) -> str:
    """A configuration as JSON, with each address in it masked."""
    return as_json(all_masked(json.loads(config)))


def revision(folder: Path) -> str | None:
    """The commit of a snapshot in the hub's cache, which is its folder's name."""
    return folder.name if SNAPSHOT.fullmatch(folder.name) else None


def weights_sha256(folder: Path) -> str | None:
    """Hash of the index of sharded weights, of a small file of weights, or of a large one's header.

    Index and header hold names, types, shapes and offsets. They tell different checkpoints apart in no time, and do not
    depend on the values.
    """
    index = folder / "model.safetensors.index.json"
    try:
        content = index.read_bytes() if index.exists() else _small_or_header(weight_files(folder)[0])
    except (OSError, UserError):
        return None
    return hashlib.sha256(content).hexdigest()


def as_json(config: object) -> str:
    """A configuration as one line of JSON with sorted keys."""
    return json.dumps(config, sort_keys=True, default=str)


def _small_or_header(file: Path) -> bytes:
    """A safetensors file begins with the length of its header, little-endian, and the header."""
    if file.stat().st_size <= SMALL_BYTES:
        return file.read_bytes()
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(HEADER_LENGTH_BYTES), "little")
        return stream.read(min(length, HEADER_LIMIT_BYTES))


def _on_this_machine(model: Model) -> Path | None:
    if not is_remote(model.checkpoint):
        try:
            return find(model.checkpoint, model.revision)
        except UserError:
            return None
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model.checkpoint, revision=model.revision, local_files_only=True))
    except (OSError, ValueError):
        return None
