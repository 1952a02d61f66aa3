"""Rebuild frozen dataclasses from the plain data that `dataclasses.asdict` made of them."""

import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


def build(kind: type[T], data: object) -> T:
    """An instance of dataclass `kind` from nested dicts and lists; what is missing takes its default.

    Raises:
        ValueError: naming the field that is missing without a default, unknown or of another type.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__}: expected an object, found {type(data).__name__}")  # noqa: TRY004 (as documented)
    assert is_dataclass(kind)
    names = {field.name for field in fields(kind)}
    required = {field.name for field in fields(kind) if field.default is MISSING}
    if wrong := (required - set(data)) | (set(data) - names):
        raise ValueError(f"{kind.__name__}: missing or unknown fields {sorted(wrong)}")
    hints = typing.get_type_hints(kind)
    return kind(**{name: _convert(hints[name], value, f"{kind.__name__}.{name}") for name, value in data.items()})


def _convert(hint: Any, value: object, where: str) -> Any:  # noqa: ANN401 (a type is known at run time alone)
    if typing.get_origin(hint) is types.UnionType:
        if value is None and type(None) in typing.get_args(hint):
            return None
        (hint,) = (option for option in typing.get_args(hint) if option is not type(None))
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where}: expected a list, found {type(value).__name__}")
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in value)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return build(hint, value)
    return _scalar(hint, value, where)


def _scalar(hint: type, value: object, where: str) -> object:
    if issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where}: expected {hint.__name__}, found {type(value).__name__}")
    return value
