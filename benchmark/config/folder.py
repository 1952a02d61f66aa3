"""The folder of the configuration: its groups and what can be chosen from each."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
CONF = next(folder for folder in (PACKAGE / "conf", PACKAGE.parent / "conf") if folder.is_dir())
"""The configuration's folder: inside an installed package, beside it in a checkout."""

BASE = "_"
"""A file whose name begins so is a part of others, and no choice."""


def options() -> dict[str, list[str]]:
    """The names that each group of the program offers."""
    folders = sorted(folder for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")
    return {
        folder.name: sorted(file.stem for file in folder.glob("*.yaml") if not file.stem.startswith(BASE))
        for folder in folders
    }


def names_given(group: str) -> list[str]:
    """The names that the files of a group give to what they choose; several may give one."""
    texts = (file.read_text(encoding="utf-8") for file in sorted((CONF / group).glob("*.yaml")))
    return [name for text in texts for name in re.findall(r"^name: (\w+)", text, re.MULTILINE)]


def usual_choices() -> dict[str, str]:
    """The name that each group has where none is given."""
    lines = (CONF / "config.yaml").read_text(encoding="utf-8")
    return dict(re.findall(r"^  - (\w+): (\w+)", lines, re.MULTILINE))
