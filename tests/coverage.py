"""How often intervals contain the truth, over simulated sweeps."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from analysis.comparability import group
from analysis.compare import Verdict, compare
from analysis.intervals import Interval
from analysis.parity import Parity, find_parity
from analysis.quality import BERTSCORE_F1, PERPLEXITY, Metric
from tests.simulation import Truth, f1, latency_s, simulate

METRICS: tuple[Metric, ...] = (PERPLEXITY, BERTSCORE_F1)


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
        return self.hits[quantity] / self.trials[quantity]


def contains(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def measure_coverage(draw: Callable[[Generator], Truth], *, sweeps: int, seed: int, resamples: int = 1000) -> Tally:
    """Simulate `sweeps` sweeps, each of a truth that `draw` gives, and count the intervals that contain it."""
    tally = Tally()
    for child in np.random.SeedSequence(seed).spawn(sweeps):
        random = np.random.default_rng(child)
        truth = draw(random)
        (pairing,) = group(simulate(truth, random)).pairings
        for metric in METRICS:
            _count(tally, truth, metric, find_parity(pairing, metric, resamples=resamples))
    return tally


def false_alarms(draw: Callable[[Generator], Truth], *, sweeps: int, seed: int) -> Tally:
    """How often a point of two sweeps of one truth is called different."""
    tally = Tally()
    for child in np.random.SeedSequence(seed).spawn(sweeps):
        random = np.random.default_rng(child)
        truth = draw(random)
        points = compare(simulate(truth, random), simulate(truth, random))
        tally.add("called different", (point.verdict is not Verdict.ambiguous for point in points))
    return tally


def _count(tally: Tally, truth: Truth, metric: Metric, found: Parity) -> None:
    value = np.exp if metric is PERPLEXITY else f1
    sign = 1.0 if metric is PERPLEXITY else 0.05
    rates = [truth.rate[k] for k in found.steps]
    name = metric.label
    arms = zip((found.baseline, *found.quality), (truth.baseline_rate, *rates), strict=True)
    tally.add(f"{name}", (contains(interval, float(value(rate))) for interval, rate in arms))
    ahead = zip(found.advantage, rates, strict=True)
    tally.add(f"{name}: advantage", (contains(one, sign * (truth.baseline_rate - rate)) for one, rate in ahead))
    tally.add(f"{name}: S_parity", [_within(found.first_steps_interval, truth.first_steps)])
    if found.speedup is not None and truth.speedup is not None:
        tally.add(f"{name}: speed-up", [contains(found.speedup, truth.speedup)])
    if metric is PERPLEXITY:
        times = zip(found.latency_s, found.steps, strict=True)
        tally.add("median latency", (contains(interval, latency_s(k)) for interval, k in times))


def _within(interval: tuple[int | None, int | None], truth: int | None) -> bool:
    low, high = (float("inf") if end is None else end for end in interval)
    return low <= (float("inf") if truth is None else truth) <= high
