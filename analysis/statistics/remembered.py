"""Functions of measurements and records that a report asks for again and again."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import finalize

T = TypeVar("T")
R = TypeVar("R")


def remembered(function: Callable[[T], R]) -> Callable[[T], R]:
    """The function, computed once for each object as long as that is there: by identity, since hashing takes longer."""
    known: dict[int, R] = {}

    @wraps(function)
    def once(each: T) -> R:
        key = id(each)
        if key not in known:
            known[key] = function(each)
            finalize(each, known.pop, key, None).atexit = False
        return known[key]

    return once
