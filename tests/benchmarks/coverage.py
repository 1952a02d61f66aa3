"""How often intervals contain the truth: `python -m tests.benchmarks.coverage` prints it as Markdown tables."""

import argparse
import math
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator

from analysis.parity.comparability import group
from analysis.parity.compare import Verdict, compare
from analysis.parity.quality import BERTSCORE_F1, PERPLEXITY
from analysis.parity.steps_to_parity import Parity, find_parity
from analysis.statistics.intervals import Interval
from tests.simulation import (
    F1_PER_NAT,
    Noise,
    Truth,
    beyond,
    delayed,
    f1,
    flat,
    heavy,
    latency_s,
    normal,
    resolved,
    rising,
    simulate,
    skewed,
    spread,
    tied,
    two_modes,
)

Draw = Callable[[Generator], Truth]
RESAMPLES = 1000
SIZES = tuple((prompts, samples) for prompts in (16, 32, 64) for samples in (5, 10, 32))
FEW_SIZES = ((16, 5), (32, 10), (64, 32))
ALARM = "called different"


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


def sized(draw: Draw, prompts: int, samples: int) -> Draw:
    """The same truth, measured with so many prompts and latency samples."""
    return lambda random: replace(draw(random), prompts=prompts, latency_samples=samples)


def noisy(noise: Noise, samples: int) -> Draw:
    """Few prompts and a timing noise of this shape, where timing alone counts."""
    return lambda random: replace(resolved(random), prompts=4, latency_samples=samples, timing_noise=noise)


def measure_coverage(draw: Draw, *, sweeps: int, seed: int) -> Tally:
    """Simulate `sweeps` sweeps, each of a truth that `draw` gives, and count the intervals that contain it.

    A speed-up counts where the sweep states one and the truth has one.
    """
    tally = Tally()
    for random in _generators(sweeps, seed):
        truth = draw(random)
        (pairing,) = group(simulate(truth, random)).pairings
        by_perplexity = find_parity(pairing, PERPLEXITY, resamples=RESAMPLES)
        _count_choice(tally, truth, by_perplexity)
        _count_quality(tally, truth, "perplexity", "ppl advantage", by_perplexity)
        _count_quality(tally, truth, "F1", "F1 advantage", find_parity(pairing, BERTSCORE_F1, resamples=RESAMPLES))
    return tally


def false_alarms(draw: Draw, *, sweeps: int, seed: int) -> Tally:
    """How often a point of two sweeps of one truth is called different."""
    tally = Tally()
    for random in _generators(sweeps, seed):
        truth = draw(random)
        points = compare(simulate(truth, random), simulate(truth, random))
        tally.add(ALARM, (point.verdict is not Verdict.ambiguous for point in points))
    return tally


def _generators(sweeps: int, seed: int) -> list[Generator]:
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(sweeps)]


def _count_quality(tally: Tally, truth: Truth, quality: str, advantage: str, found: Parity) -> None:
    shown, per_nat = (math.exp, 1.0) if quality == "perplexity" else (f1, F1_PER_NAT)
    rates = [truth.rate[k] for k in found.steps]
    arms = zip((found.baseline, *found.quality), (truth.baseline_rate, *rates), strict=True)
    tally.add(quality, (_contains(interval, shown(rate)) for interval, rate in arms))
    ahead = zip(found.advantage, rates, strict=True)
    tally.add(advantage, (_contains(one, per_nat * (truth.baseline_rate - rate)) for one, rate in ahead))


def _count_choice(tally: Tally, truth: Truth, found: Parity) -> None:
    times = zip(found.latency_s, found.steps, strict=True)
    tally.add("latency", (_contains(interval, latency_s(k)) for interval, k in times))
    low, high = (math.inf if end is None else end for end in found.first_steps_interval)
    first = math.inf if truth.first_steps is None else truth.first_steps
    tally.add("S_parity", [low <= first <= high])
    tally.add("one K", [low == high])
    if truth.crossing is not None:
        tally.add("crossing", [found.crossing.low <= truth.crossing <= found.crossing.high])
        if found.crossing_speedup is not None and truth.crossing_speedup is not None:
            tally.add("speed-up there", [_contains(found.crossing_speedup, truth.crossing_speedup)])
    if found.speedup is not None and truth.speedup is not None:
        tally.add("speed-up", [_contains(found.speedup, truth.speedup)])


def _contains(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


SCENARIOS: dict[str, Draw] = {
    "tied: at S_parity the arms are equally good": tied,
    "flat: K=16 and 32 are 0.01 nats short, the others equal": flat,
    "beyond: every K is 0.01 nats short": beyond,
    "rising: reached at K=32, lost at 64, found again": rising,
    "resolved, skewed prompts": lambda random: replace(resolved(random), prompt_noise=skewed),
    "resolved, heavy-tailed timing": lambda random: replace(resolved(random), timing_noise=heavy),
    "resolved, delayed timing": lambda random: replace(resolved(random), timing_noise=delayed),
    "resolved, timing of two modes": lambda random: replace(resolved(random), timing_noise=two_modes),
    "spread, timing of two modes": lambda random: replace(spread(random), timing_noise=two_modes),
    "spread, timing ten times as noisy": lambda random: replace(spread(random), timing_spread=0.4),
}
NOISES = {"lognormal": normal, "heavy-tailed": heavy, "delayed": delayed, "two modes": two_modes}
COLUMNS = (
    "perplexity",
    "ppl advantage",
    "F1",
    "F1 advantage",
    "latency",
    "crossing",
    "speed-up there",
    "S_parity",
    "speed-up",
    "one K",
)


def _row(name: Sequence[object], tally: Tally) -> str:
    shares = (tally.share(column) for column in COLUMNS)
    cells = [*map(str, name), *("" if math.isnan(share) else f"{100 * share:.1f}" for share in shares)]
    return f"| {' | '.join(cells)} |"


def _heading(*names: str) -> str:
    return f"| {' | '.join((*names, *COLUMNS))} |\n|{'---|' * (len(names) + len(COLUMNS))}"


def _print_sizes(name: str, draw: Draw, sizes: Iterable[tuple[int, int]], sweeps: int) -> None:
    print(f"\n## {name}\n\n{draw.__doc__}\n\n{_heading('prompts', 'samples')}", flush=True)
    for prompts, samples in sizes:
        tally = measure_coverage(sized(draw, prompts, samples), sweeps=sweeps, seed=prompts + samples)
        print(_row((prompts, samples), tally), flush=True)


def _print_scenarios(sweeps: int) -> None:
    print(f"\n## Harder truths: 32 prompts, 10 latency samples\n\n{_heading('truth')}", flush=True)
    for seed, (name, draw) in enumerate(SCENARIOS.items()):
        print(_row((name,), measure_coverage(sized(draw, 32, 10), sweeps=sweeps, seed=seed)), flush=True)


def _print_alarms(sweeps: int) -> None:
    print(f"\n## compare: points of two identical sweeps {ALARM}\n")
    print(f"| samples | {' | '.join(NOISES)} |\n|{'---|' * (1 + len(NOISES))}")
    for samples in (2, 3, 5, 10, 32):
        tallies = [false_alarms(noisy(noise, samples), sweeps=sweeps, seed=samples) for noise in NOISES.values()]
        print(f"| {samples} | {' | '.join(f'{100 * one.share(ALARM):.1f}' for one in tallies)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps behind each row")
    sweeps: int = parser.parse_args().sweeps
    start = time.monotonic()
    print(
        "# Coverage of the 95% intervals, in percent\n\n`python -m tests.benchmarks.coverage`; docs/parity.md explains."
    )
    print(f"\n{sweeps} sweeps a row, {RESAMPLES} resamples; Python {platform.python_version()}, numpy {np.__version__}")
    print("\nCrossing: steps at which the arms are equally good, between the K. Speed-up there: at the crossing.")
    print("One K: in how many sweeps the interval of S_parity is a single K, or wholly beyond the largest.")
    _print_sizes("Resolved", resolved, SIZES, sweeps)
    _print_sizes("Spread", spread, FEW_SIZES, sweeps)
    _print_scenarios(sweeps)
    _print_alarms(sweeps)
    print(f"\nAll of it took {time.monotonic() - start:.0f} s on {os.cpu_count()} CPU cores.")


if __name__ == "__main__":
    main()
