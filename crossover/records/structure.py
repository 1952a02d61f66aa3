"""Rebuild frozen dataclasses from the plain data that `dataclasses.asdict` made of them.

The fields of a class are looked up once: a folder of ten thousand records holds millions of values.

Why not msgspec: its Struct, which also refuses unknown fields, builds ten thousand records of 47 kB in 1.1 s of CPU
time where orjson and this module take 4.2 s (msgspec 0.22). But records would cease to be dataclasses of the standard
library, and many modules use `replace`, `asdict` and `fields`. msgspec fills dataclasses too, in 1.3 s, and then lets
unknown fields through.
"""

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache, partial
from typing import Any, TypeVar

T = TypeVar("T")
Converter = Callable[[object, str], Any]
"""Makes a value from plain data and the name of its field, which errors quote."""

PLAIN = (float, int, str)


def build(kind: type[T], data: object) -> T:
    """An instance of dataclass `kind` from nested dicts and lists; what is missing takes its default.

    Raises:
        ValueError: naming the field that is missing without a default, unknown or of another type.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{kind.__name__}: expected an object, found {type(data).__name__}")  # noqa: TRY004 (as documented)
    types = tuple(map(type, data.values()))
    to_convert, defaults, is_bare = _filling(kind, tuple(data), types)  # type: ignore[arg-type]  # classes are hashable
    values = {**defaults, **data}
    for name, convert, where in to_convert:
        values[name] = convert(values[name], where)
    if not is_bare:
        return kind(**values)
    made = object.__new__(kind)
    made.__dict__.update(values)
    return made


@lru_cache(maxsize=4096)
def _filling(
    kind: type, names: tuple[str, ...], types: tuple[type, ...]
) -> tuple[tuple[tuple[str, Converter, str], ...], dict[str, object], bool]:
    """Of data with these names and types: the fields to convert, the values of missing ones, and if that is all.

    It is all where an instance can be made without `__init__`, which sets one frozen field after another and takes ten
    times as long: nothing is checked then, and no missing field has a factory.

    Raises:
        ValueError: naming fields that are missing without a default, or unknown.
    """
    converters, defaults, made = _converters(kind)
    given = set(names)
    if wrong := (converters.keys() - defaults.keys() - made - given) | (given - converters.keys()):
        raise ValueError(f"{kind.__name__}: missing or unknown fields {sorted(wrong)}")
    to_convert = [
        (name, *converters[name][1:])
        for name, type_ in zip(names, types, strict=True)
        if type_ not in converters[name][0]
    ]
    missing = {name: value for name, value in defaults.items() if name not in given}
    return tuple(to_convert), missing, made <= given and not hasattr(kind, "__post_init__")


@cache
def _converters(
    kind: type,
) -> tuple[dict[str, tuple[frozenset[type], Converter, str]], dict[str, object], frozenset[str]]:
    """For each field its types that need no conversion, its converter and its name; defaults; fields with a factory."""
    assert is_dataclass(kind)
    hints = typing.get_type_hints(kind)
    converters = {
        each.name: (_plain(hints[each.name]), _converter(hints[each.name]), f"{kind.__name__}.{each.name}")
        for each in fields(kind)
    }
    defaults = {each.name: each.default for each in fields(kind) if each.default is not MISSING}
    made = (each.name for each in fields(kind) if each.default_factory is not MISSING)
    return converters, defaults, frozenset(made)


def _plain(hint: Any) -> frozenset[type]:  # noqa: ANN401 (as below)
    """Types whose values need no conversion."""
    options = typing.get_args(hint) if typing.get_origin(hint) is types.UnionType else (hint,)
    return frozenset(option for option in options if option in (*PLAIN, bool, type(None)))


def _converter(hint: Any) -> Converter:  # noqa: ANN401 (a type is known at run time alone)
    options = typing.get_args(hint)
    if typing.get_origin(hint) is types.UnionType:
        (known,) = (option for option in options if option is not type(None))
        return partial(_optional, _converter(known)) if type(None) in options else _converter(known)
    if typing.get_origin(hint) is tuple:
        return partial(_sequence, _converter(options[0]), options[0] if options[0] in PLAIN else None)
    if typing.get_origin(hint) is dict:
        return partial(_mapping, _converter(options[1]))
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return partial(_nested, hint)
    return partial(_scalar, hint)


def _optional(convert: Converter, value: object, where: str) -> object:
    return None if value is None else convert(value, where)


def _nested(kind: type, value: object, where: str) -> object:
    del where  # a class names itself
    return build(kind, value)


def _sequence(convert: Converter, plain: type | None, value: object, where: str) -> tuple[object, ...]:
    """The items, converted. When all are of the right type, they are returned as they are, at the speed of C."""
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list, found {type(value).__name__}")  # noqa: TRY004 (as documented)
    if plain is not None and set(map(type, value)) <= {plain}:
        return tuple(value)
    return tuple([convert(item, where) for item in value])


def _mapping(convert: Converter, value: object, where: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, found {type(value).__name__}")  # noqa: TRY004 (as documented)
    return {name: convert(item, f"{where}.{name}") for name, item in value.items()}


def _scalar(hint: type, value: object, where: str) -> object:
    if type(value) is hint:
        return value
    if issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    if hint is float and type(value) is int:
        return float(value)
    raise ValueError(f"{where}: expected {hint.__name__}, found {type(value).__name__}")
