"""What has been computed of a model stays for as long as the model does: a sweep asks for it at every grid point."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_KNOWN: WeakKeyDictionary[Any, dict[Hashable, Any]] = WeakKeyDictionary()


def remember(owner: Any, key: Hashable, compute: Callable[[], T]) -> T:  # noqa: ANN401 (whatever can be referred to)
    """The value of `compute`, which was called for this key before or is called now. It goes when `owner` goes."""
    known: dict[Hashable, T] = _KNOWN.setdefault(owner, {})
    if key not in known:
        known[key] = compute()
    return known[key]
