"""Find a checkpoint's folder: built in, on disk, in the hub's cache, or on the hub. No torch here."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossover.errors import UserError, first_line

ASSETS = Path(__file__).parents[1] / "assets"
BUILTIN = "builtin:"
FILES = ("*.json", "*.safetensors", "*.model", "*.txt")


def resolve(checkpoint: str, revision: str | None = None) -> Path:
    """The folder that holds `checkpoint`, with its config.json and all its weights.

    Raises:
        UserError: when there is no such folder, the hub does not give it, or files are missing in it.
    """
    folder = find(checkpoint, revision)
    _require(folder)
    return folder


def find(checkpoint: str, revision: str | None = None, files: Sequence[str] = FILES) -> Path:
    """The folder of `checkpoint`; of one on the hub, those `files` are downloaded that are not on this machine.

    Raises:
        UserError: when there is no such folder, or the hub has it not or cannot be reached.
    """
    if checkpoint.startswith(BUILTIN):
        folder = ASSETS / checkpoint.removeprefix(BUILTIN)
    elif _is_path(checkpoint):
        folder = Path(checkpoint).expanduser()
    else:
        folder = _from_hub(checkpoint, revision, files)
    if not folder.is_dir():
        raise UserError(
            f"checkpoint {checkpoint!r}: there is no such folder; give a folder that holds"
            " config.json and *.safetensors, or a hub id such as GSAI-ML/LLaDA-8B-Base"
        )
    return folder


def is_remote(checkpoint: str) -> bool:
    """Whether `checkpoint` names a model on the hub rather than files on this machine."""
    return not checkpoint.startswith(BUILTIN) and not _is_path(checkpoint)


def architecture_folder(architecture: str | None, checkpoint: str, revision: str | None) -> Path:
    """The folder whose config.json describes a model: its architecture's, or else its checkpoint's.

    Raises:
        UserError: as `find` does, or when there is no config.json.
    """
    folder = find(architecture, None) if architecture else find(checkpoint, revision, ("config.json",))
    _require_config(folder)
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """The checkpoint's config.json.

    Raises:
        UserError: when it is no JSON object.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"checkpoint {folder}: config.json cannot be read ({error})") from error
    if not isinstance(config, dict):
        raise UserError(f"checkpoint {folder}: config.json holds no object")
    return config


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint: the shards that its index names, or the one file.

    Raises:
        UserError: when a shard is missing, or the folder has no weights.
    """
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"checkpoint {folder}: {index.name} is not an index of weights ({error})") from error
        files = [folder / name for name in names]
    else:
        files = sorted(folder.glob("*.safetensors"))
    missing = [file.name for file in files if not file.is_file()]
    if missing or not files:
        what = f"the shard {missing[0]} is missing" if missing else "it holds no *.safetensors"
        raise UserError(f"checkpoint {folder}: {what}; download the checkpoint again, whole")
    return files


def require_tokenizer(folder: Path) -> None:
    """Make sure that a checkpoint comes with a tokenizer.

    Raises:
        UserError: when it does not.
    """
    if not (folder / "tokenizer.json").is_file():
        raise UserError(f"checkpoint {folder}: it holds no tokenizer.json; copy the checkpoint's tokenizer files there")


def _is_path(checkpoint: str) -> bool:
    return (
        Path(checkpoint).expanduser().exists() or checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1
    )


def _require(folder: Path) -> None:
    _require_config(folder)
    weight_files(folder)


def _require_config(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise UserError(
            f"checkpoint {folder}: it holds no config.json, so it is no checkpoint;"
            " give a folder with config.json and *.safetensors"
        )


def _from_hub(checkpoint: str, revision: str | None, files: Sequence[str]) -> Path:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download  # heavy, and not needed for local checkpoints

    try:
        return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=list(files), local_files_only=True))
    except (OSError, ValueError):
        pass  # not in the cache, or not whole: ask the hub
    try:
        return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=list(files), etag_timeout=5))
    except Exception as error:  # the hub's client raises its transport's own errors too
        raise UserError(
            f"checkpoint {checkpoint!r} is not on this machine and the hub did not give it ({first_line(error)}):"
            f" run `hf download {checkpoint}` where there is a network (gated models need `hf auth login`),"
            " or give its folder with model.checkpoint=FOLDER"
        ) from error
