"""Counting of intervals that contain the truth."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from analysis.statistics.intervals import Interval

RESAMPLES = 1000


@dataclass
class Tally:
    """Hits and trials of each quantity."""

    hits: Counter[str] = field(default_factory=Counter)
    trials: Counter[str] = field(default_factory=Counter)

    def add(self, quantity: str, hits: Iterable[bool]) -> None:
        found = list(hits)
        self.hits[quantity] += sum(found)
        self.trials[quantity] += len(found)

    def share(self, quantity: str) -> float:
        return self.hits[quantity] / self.trials[quantity] if self.trials[quantity] else math.nan

    def percent(self, quantity: str) -> str:
        """For a cell of a table; empty where there were no trials."""
        return f"{100 * self.share(quantity):.1f}" if self.trials[quantity] else ""


def generators(sweeps: int, seed: int) -> list[Generator]:
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(sweeps)]


def contains(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high
