"""How a run tells whoever watches what it is busy with."""

from collections.abc import Callable
from enum import StrEnum


class Stage(StrEnum):
    """What a run is busy with, for whoever watches."""

    loading = "loading"
    preparing = "preparing"
    warmup = "warm-up"
    memory = "memory"
    repeats = "repeats"
    profile = "profile"
    quality = "quality"
    likelihood = "likelihood"


Report = Callable[[Stage, int, int], None]
"""Called between samples, never inside one, with the stage and how many of its parts are done."""
