"""How a run reports its stage to the screen."""

from collections.abc import Callable
from enum import StrEnum


class Stage(StrEnum):
    """The stage of a run, as the screen shows it."""

    loading = "loading"
    preparing = "preparing"
    warmup = "warm-up"
    memory = "memory"
    repeats = "repeats"
    profile = "profile"
    staleness = "staleness"
    quality = "quality"
    likelihood = "likelihood"


Report = Callable[[Stage, int, int], None]
"""Called between samples, never inside one, with the stage and how many of its parts are done."""
