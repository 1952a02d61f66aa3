"""How the schema declares a key or a group: its meaning and its values stand with its type."""

from collections.abc import Iterable
from dataclasses import field
from enum import StrEnum
from typing import Any

from omegaconf import MISSING

AUTO = "auto"
"""What a key of `choice` may have beside the members of its enum: the program chooses."""


def key(meaning: str, default: Any = MISSING, allowed: str = "") -> Any:
    """A key. `allowed` says in words which values of its type may be given, where not all may."""
    return field(default=default, metadata={"meaning": meaning, "allowed": allowed})


def choice(meaning: str, members: type[StrEnum]) -> Any:
    """A key that is a member of an enum, or `auto`. Hydra sees a text, so `listed` checks it."""
    return field(default=AUTO, metadata={"meaning": meaning, "listed": (AUTO, *members)})


def listed(meaning: str, values: Iterable[str], default: str = MISSING) -> Any:
    """A key that is one of some words."""
    return field(default=default, metadata={"meaning": meaning, "listed": tuple(values)})


def group(meaning: str, schema: type) -> Any:
    """A group of keys, whose values a file of conf/ may give."""
    return field(default_factory=schema, metadata={"meaning": meaning, "schema": schema})
