"""How often intervals contain the truth: `python -m tests.benchmarks.coverage` prints it as Markdown tables."""

import argparse
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from analysis.parity.comparability import group
from analysis.parity.parity import Parity
from analysis.parity.quality import BERTSCORE_F1, PERPLEXITY
from analysis.parity.steps_to_parity import find_parity
from tests.benchmarks.accuracy_coverage import print_accuracy
from tests.benchmarks.front_coverage import print_fronts
from tests.benchmarks.tally import RESAMPLES, Tally, contains, generators
from tests.benchmarks.timing_coverage import print_alarms, print_timing
from tests.provenance import provenance
from tests.simulation import (
    BROKEN,
    F1_PER_NAT,
    STEPS,
    Truth,
    beyond,
    delayed,
    f1,
    flat,
    heavy,
    latency_s,
    powerlaw,
    resolved,
    rising,
    simulate,
    skewed,
    spread,
    tied,
    two_modes,
)

Draw = Callable[[Generator], Truth]


SIZES = tuple((prompts, samples) for prompts in (16, 32, 64) for samples in (5, 10, 32))
CLUSTERS = ((5, 8), (8, 4), (8, 8), (16, 4))
"""Sources of the prompts, and prompts of each."""
FEW_SIZES = ((16, 5), (32, 10), (64, 32))


def sized(draw: Draw, prompts: int, samples: int) -> Draw:
    """The same truth, measured with so many prompts and latency samples."""
    return lambda random: replace(draw(random), prompts=prompts, latency_samples=samples)


def measure_coverage(draw: Draw, *, sweeps: int, seed: int) -> Tally:
    """Simulate `sweeps` sweeps, each of a truth that `draw` gives, and count the intervals that contain it.

    A speed-up counts where the sweep states one and the truth has one.
    """
    tally = Tally()
    for random in generators(sweeps, seed):
        truth = draw(random)
        (pairing,) = group(simulate(truth, random)).pairings
        by_perplexity = find_parity(pairing, PERPLEXITY, resamples=RESAMPLES)
        _count_choice(tally, truth, by_perplexity)
        _count_quality(tally, truth, "perplexity", "ppl advantage", by_perplexity)
        trimmed = zip(by_perplexity.trimmed, by_perplexity.steps, strict=True)
        tally.add("trimmed", (contains(one, truth.trimmed_advantage(k)) for one, k in trimmed))
        _count_quality(tally, truth, "F1", "F1 advantage", find_parity(pairing, BERTSCORE_F1, resamples=RESAMPLES))
    return tally


def _count_quality(tally: Tally, truth: Truth, quality: str, advantage: str, found: Parity) -> None:
    shown, per_nat = (math.exp, 1.0) if quality == "perplexity" else (f1, F1_PER_NAT)
    rates = [truth.rate[k] + truth.broken_share * BROKEN for k in found.steps]
    arms = zip((found.baseline, *found.quality), (truth.baseline_rate, *rates), strict=True)
    tally.add(quality, (contains(interval, shown(rate)) for interval, rate in arms))
    ahead = zip(found.advantage, rates, strict=True)
    tally.add(advantage, (contains(one, per_nat * (truth.baseline_rate - rate)) for one, rate in ahead))


def _count_choice(tally: Tally, truth: Truth, found: Parity) -> None:
    times = zip(found.latency_s, found.steps, strict=True)
    tally.add("latency", (contains(interval, latency_s(k)) for interval, k in times if interval is not None))
    low, high = (math.inf if end is None else end for end in found.first_steps_interval)
    first = math.inf if truth.first_steps is None else truth.first_steps
    tally.add("S_parity", [low <= first <= high])
    tally.add("one K", [low == high])
    tally.add("wrongly reached", [high < first])
    if truth.crossing is not None:
        tally.add("crossing", [found.crossing.low <= truth.crossing <= found.crossing.high])
        if found.crossing_speedup is not None and truth.crossing_speedup is not None:
            tally.add("speed-up there", [contains(found.crossing_speedup, truth.crossing_speedup)])
    if found.speedup is not None and truth.speedup is not None:
        tally.add("speed-up", [contains(found.speedup, truth.speedup)])


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
    "resolved, 5% of diffusion's texts break down": lambda random: replace(resolved(random), broken_share=0.05),
    "power law, K = 16, 32, ... 256": powerlaw(STEPS),
    "power law, K = 16, 64, 256": powerlaw((16, 64, 256)),
    "power law, K = 8, 256": powerlaw((8, 256)),
    "spread, timing ten times as noisy": lambda random: replace(spread(random), timing_spread=0.4),
}
COLUMNS = (
    "perplexity",
    "ppl advantage",
    "trimmed",
    "F1",
    "F1 advantage",
    "latency",
    "crossing",
    "speed-up there",
    "S_parity",
    "speed-up",
    "one K",
    "wrongly reached",
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


def _print_clusters(sweeps: int) -> None:
    print(
        f"\n## Prompts in clusters: 10 latency samples\n\n{_heading('truth', 'sources', 'prompts of each')}", flush=True
    )
    for seed, (sources, of_each) in enumerate(CLUSTERS):
        for name, draw in (("resolved", resolved), ("beyond", beyond)):
            clustered = _in_sources(draw, sources)
            tally = measure_coverage(sized(clustered, sources * of_each, 10), sweeps=sweeps, seed=100 + seed)
            print(_row((name, sources, of_each), tally), flush=True)


def _in_sources(draw: Draw, sources: int) -> Draw:
    return lambda random: replace(draw(random), clusters=sources)


def _print_scenarios(sweeps: int) -> None:
    print(f"\n## Harder truths: 32 prompts, 10 latency samples\n\n{_heading('truth')}", flush=True)
    for seed, (name, draw) in enumerate(SCENARIOS.items()):
        print(_row((name,), measure_coverage(sized(draw, 32, 10), sweeps=sweeps, seed=seed)), flush=True)


PARTS: dict[str, Callable[[int], None]] = {
    "sizes": lambda sweeps: _print_sizes("Resolved", resolved, SIZES, sweeps),
    "spread": lambda sweeps: _print_sizes("Spread", spread, FEW_SIZES, sweeps),
    "scenarios": _print_scenarios,
    "clusters": _print_clusters,
    "timing": print_timing,
    "fronts": print_fronts,
    "accuracy": print_accuracy,
    "tables": lambda sweeps: print_alarms(max(10, sweeps // 5)),
}


HEAD = """# Coverage of the 95% intervals, in percent

**Question.** In how many sweeps does a 95% interval contain the truth?

**Answer.** The tables have the share of simulated sweeps for each kind of interval.
[Parity](../parity.md#how-often-they-are-right) sums them up.

`python -m tests.benchmarks.coverage` prints this page."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps behind each row")
    parser.add_argument("--part", choices=PARTS, action="append", help="print this part alone; repeatable")
    options = parser.parse_args()
    start = time.process_time()
    print(HEAD)
    print(f"\n{options.sweeps} sweeps a row, {RESAMPLES} resamples;", end=" ")
    print(f"{provenance()}, numpy {np.__version__}")
    print("\nCrossing: steps at which the arms are equally good, between the K. Speed-up there: at the crossing.")
    print("Trimmed: the advantage by a mean without the best and the worst fifth of the texts, and the truth of that.")
    print("Wrongly reached: parity is claimed at a smaller K than the true one, which may be in 2.5.")
    print("One K: in how many sweeps the interval of S_parity is a single K, or wholly beyond the largest.")
    for part in options.part or PARTS:
        PARTS[part](options.sweeps)
    print(f"\nAll of it took {time.process_time() - start:.0f} s of one CPU core.")


if __name__ == "__main__":
    main()
