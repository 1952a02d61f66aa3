"""Keep values computed from a model for as long as the model lives: a sweep needs them at every grid point."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_KNOWN: WeakKeyDictionary[Any, dict[Hashable, Any]] = WeakKeyDictionary()


def known_values(owner: Any) -> dict[Hashable, Any]:  # noqa: ANN401 (whatever can be referred to)
    """What is known by key; dropped when `owner` is."""
    return _KNOWN.setdefault(owner, {})


def remember(owner: Any, key: Hashable, compute: Callable[[], T]) -> T:  # noqa: ANN401 (whatever can be referred to)
    """The value of `compute` for this key; it is called the first time. The value is dropped when `owner` is."""
    known: dict[Hashable, T] = known_values(owner)
    if key not in known:
        known[key] = compute()
    return known[key]
