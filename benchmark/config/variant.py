"""Whether a checkpoint is the usual one of its model's name, and what to call it where it is not."""

from functools import cache
from pathlib import Path

from omegaconf import OmegaConf

from benchmark.config.folder import BASE, CONF


def variant_of(name: str, checkpoint: str, revision: str | None) -> str | None:
    """What tells a checkpoint from the one that `model=NAME` stands for; None for that one.

    It is the last part of the checkpoint's path, with its revision. A model that has no file in `conf/model` has no
    usual checkpoint, and its name says all.
    """
    usual = _usual_checkpoint(name)
    if usual is None or (usual == checkpoint and revision is None):
        return None
    tail = Path(checkpoint).name or checkpoint
    return tail if revision is None else f"{tail}@{revision}"


@cache
def _usual_checkpoint(name: str) -> str | None:
    file = CONF / "model" / f"{name}.yaml"
    if name.startswith(BASE) or not file.is_file():
        return None
    checkpoint = OmegaConf.select(OmegaConf.load(file), "checkpoint")
    return None if checkpoint is None else str(checkpoint)
