"""Every key of the schema, as the command line says it."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, fields
from enum import StrEnum
from functools import cache, cached_property
from types import NoneType
from typing import Any, get_args

from benchmark.config.schema import Config


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as the command line says it, and its field in the schema."""

    name: str
    field: Field[Any]

    @property
    def meaning(self) -> str:
        """What the key means, in words."""
        return str(self.field.metadata["meaning"])

    @property
    def default(self) -> object:
        """The schema's default; `???` where a file of conf/ gives it."""
        return self.field.default

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """The values of a key of `choice`; of any other key none."""
        return tuple(map(str, self.field.metadata.get("listed", ())))

    @property
    def kind(self) -> type:
        """The type of its values, null apart."""
        kinds: tuple[type, ...] = get_args(self.field.type) or (self.field.type,)
        return next(kind for kind in kinds if kind is not NoneType)

    @property
    def is_optional(self) -> bool:
        """Whether it may be null."""
        return NoneType in get_args(self.field.type)

    @property
    def members(self) -> tuple[str, ...]:
        """Its values, where they can be listed."""
        return self.listed or (tuple(map(str, self.kind)) if issubclass(self.kind, StrEnum) else ())


@cache
def keys() -> tuple[Key, ...]:
    """Every key that takes a value, those of groups after the others."""
    return tuple(_keys())


def _keys() -> Iterator[Key]:
    for entry in sorted(fields(Config), key=lambda each: "schema" in each.metadata):
        if schema := entry.metadata.get("schema"):
            yield from (Key(name=f"{entry.name}.{inner.name}", field=inner) for inner in fields(schema))
        else:
            yield Key(name=entry.name, field=entry)


def groups() -> dict[str, str]:
    """The names of the groups, with their meaning."""
    return {each.name: str(each.metadata["meaning"]) for each in fields(Config) if "schema" in each.metadata}
