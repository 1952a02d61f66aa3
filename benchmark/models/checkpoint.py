"""Find a checkpoint's folder: built in, on disk, in the hub's cache, or on the hub. No torch here."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.models.head_size import head_of
from benchmark.models.mask_token import mask_of_tokenizer
from crossover.errors import UserError, first_line

ASSETS = Path(__file__).parents[1] / "assets"
BUILTIN = "builtin:"
NOT_THE_MODELS = ("consolidated", "adapter", "optimizer", "original")
"""How files begin that lie beside a model and are not its weights in this layout."""

SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")
FILES = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")


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
    if folder.is_file():
        raise UserError(
            f"checkpoint {checkpoint!r}: this is a file: give the folder that holds config.json and weights"
        )
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
    """The checkpoint's config.json, with its tokenizer's mask token and its weights' head where it names none itself.

    Raises:
        UserError: when it is no JSON object.
    """
    config = _json_object(folder, "config.json")
    if config.get("mask_token_id") is None and (mask_id := mask_of_tokenizer(folder)) is not None:
        config["mask_token_id"] = mask_id
    if (head := head_of(folder, config)) is not None:
        config["head_dim"] = head
    return config


def _json_object(folder: Path, name: str) -> dict[str, Any]:
    try:
        held = json.loads((folder / name).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"checkpoint {folder}: {name} cannot be read ({error}); {advice(folder)}") from error
    if not isinstance(held, dict):
        raise UserError(f"checkpoint {folder}: {name} holds no object; {advice(folder)}")
    return held


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint: the shards that its index names, or the one file.

    Beside them may lie files of another layout or an adapter's, which do not belong to the model.

    Raises:
        UserError: when a shard is missing, or the folder has no weights.
    """
    index = folder / "model.safetensors.index.json"
    files = _shards(folder, index) if index.exists() else _unindexed(folder)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise UserError(f"checkpoint {folder}: the shard {missing[0]} is missing; {advice(folder)}")
    if not files:
        others = sorted(file.name for file in folder.glob("*") if file.suffix in {".safetensors", ".bin", ".pth"})
        instead = f" but {others[0]}, which is of another layout" if others else ""
        raise UserError(f"checkpoint {folder}: it holds no *.safetensors of the model{instead}; {advice(folder)}")
    return files


def advice(folder: Path) -> str:
    """What to do about a checkpoint whose files are not whole, by where they came from."""
    if folder.is_relative_to(ASSETS):
        return "install the package again"
    if folder.parent.name == "snapshots" and folder.parents[1].name.startswith("models--"):
        name = folder.parents[1].name.removeprefix("models--").replace("--", "/")
        return f"download it again with `hf download {name} --force-download`"
    return "copy or save the checkpoint to this folder again, whole"


def _shards(folder: Path, index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        strange = [name for name in names if Path(name).name != name]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"checkpoint {folder}: {index.name} is not an index of weights ({error}); {advice(folder)}"
        ) from error
    if strange:
        raise UserError(f"checkpoint {folder}: {index.name} names {strange[0]!r}, which is not a file of this folder")
    return [folder / name for name in names]


def _unindexed(folder: Path) -> list[Path]:
    """`model.safetensors` where there is one; else what is not known to be of something else."""
    if (one := folder / "model.safetensors").is_file():
        return [one]
    files = [file for file in sorted(folder.glob("*.safetensors")) if not file.name.startswith(NOT_THE_MODELS)]
    numbered = [match for file in files if (match := SHARD.fullmatch(file.name))]
    if numbered:
        count = int(numbered[0][3])
        return [folder / f"{numbered[0][1]}-{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1)]
    return files


def require_tokenizer(folder: Path) -> None:
    """Make sure that a checkpoint comes with a tokenizer, whose settings can be read where it has any.

    Raises:
        UserError: when it does not, or they cannot.
    """
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            _json_object(folder, name)
    if not tokenizer_files(folder):
        raise UserError(
            f"checkpoint {folder}: it holds no tokenizer.json, and no vocab.json with merges.txt; copy the checkpoint's"
            " tokenizer files there"
        )


def tokenizer_files(folder: Path) -> list[Path]:
    """What a checkpoint's tokenizer is read from: its tokenizer.json, or the words and merges of one like Qwen2's."""
    if (whole := folder / "tokenizer.json").is_file():
        return [whole]
    parts = [folder / "vocab.json", folder / "merges.txt"]
    return parts if all(part.is_file() for part in parts) else []


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

    cached = None
    try:
        cached = Path(
            snapshot_download(checkpoint, revision=revision, allow_patterns=list(files), local_files_only=True)
        )
    except (OSError, ValueError):
        lacks = "is not on this machine"
    else:
        if not (lack := _lack(cached, files)):
            return cached
        lacks = f"is on this machine without {lack}"
    try:
        return Path(snapshot_download(checkpoint, revision=revision, allow_patterns=list(files), etag_timeout=5))
    except Exception as error:  # the hub's client raises its transport's own errors too
        raise UserError(
            f"checkpoint {checkpoint!r} {lacks} and the hub did not give it ({first_line(error)}):"
            f" run `hf download {checkpoint}` where there is a network (gated models need `hf auth login`),"
            " or give its folder with model.checkpoint=FOLDER"
        ) from error


def _lack(folder: Path, files: Sequence[str]) -> str | None:
    """What a snapshot in the hub's cache lacks of what is wanted of it: someone may have asked for less before."""
    if not (folder / "config.json").is_file():
        return "its config.json"
    if "*.safetensors" not in files:
        return None
    if not any(any(folder.glob(pattern)) for pattern in ("tokenizer*", "vocab*", "*.model", "spiece*")):
        return "its tokenizer"
    index = folder / "model.safetensors.index.json"
    missing = [file.name for file in _shards(folder, index) if not file.is_file()] if index.exists() else []
    if missing:
        return f"its {missing[0]}"
    return None if any(file.suffix in {".safetensors", ".bin"} for file in folder.iterdir()) else "its weights"
