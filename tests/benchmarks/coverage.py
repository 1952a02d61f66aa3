"""How often intervals contain the truth: `python -m tests.benchmarks.coverage` prints it as Markdown tables."""

import argparse
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import Generator

from analysis.parity.comparability import group
from analysis.parity.compare import compare
from analysis.parity.quality import BERTSCORE_F1, PERPLEXITY
from analysis.parity.steps_to_parity import Parity, find_parity
from analysis.statistics.intervals import Interval
from analysis.statistics.timing import Latency, latency, median_interval, over_processes, ratio_interval, summarise
from benchmark.measurement.stopping import Rule
from crossover.records.record import Record, StoppedBy
from crossover.records.run import Run
from crossover.records.settings import Stopping
from tests.factories import a_measurement, a_record, a_run, a_sample
from tests.simulation import (
    BROKEN,
    F1_PER_NAT,
    STEPS,
    Machine,
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


@dataclass(frozen=True, kw_only=True)
class Regime:
    """How two arms are timed: samples of each process of either arm, processes, the stopping rule's share."""

    machine: Machine
    samples: tuple[int, int] = (10, 10)
    processes: int = 1
    stopping: float | None = None


REGIMES: dict[str, Regime] = {
    **{
        f"{processes} processes, spread between them {spread:.1%}": Regime(
            machine=Machine(between=spread), processes=processes
        )
        for processes in (3, 5, 10)
        for spread in (0.005, 0.01, 0.02)
    },
    **{
        f"5 processes, {name}": Regime(machine=machine, processes=5, samples=(samples, samples))
        for samples in (10, 64)
        for name, machine in {
            f"AR(1) of 0.5, {samples} samples": Machine(correlation=0.5, between=0.005),
            f"AR(1) of 0.8, {samples} samples": Machine(correlation=0.8, between=0.005),
            f"drift of 5%, {samples} samples": Machine(drift=0.05, between=0.005),
            f"clock modes 3% apart, {samples} samples": Machine(mode=0.03, between=0.005),
        }.items()
    },
    **{
        f"{processes} processes, 64 samples against {few}": Regime(
            machine=Machine(between=0.01 if processes > 1 else 0.0), samples=(64, few), processes=processes
        )
        for processes in (1, 5)
        for few in (2, 3, 5)
    },
    **{
        f"{processes} processes, stopped at 3%, noise {noise:.0%}": Regime(
            machine=Machine(within=noise, between=0.01 if processes > 1 else 0.0),
            samples=(5, 5),
            processes=processes,
            stopping=0.03,
        )
        for processes in (1, 5)
        for noise in (0.01, 0.02, 0.03)
    },
    **{
        f"1 process, AR(1) of {correlation}, {samples} samples": Regime(
            machine=Machine(correlation=correlation), samples=(samples, samples)
        )
        for correlation in (0.0, 0.5, 0.8)
        for samples in (16, 32, 64)
    },
}
MOST_SAMPLES = 80
RESAMPLES = 1000
SIZES = tuple((prompts, samples) for prompts in (16, 32, 64) for samples in (5, 10, 32))
FEW_SIZES = ((16, 5), (32, 10), (64, 32))


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
        trimmed = zip(by_perplexity.trimmed, by_perplexity.steps, strict=True)
        tally.add("trimmed", (_contains(one, truth.trimmed_advantage(k)) for one, k in trimmed))
        _count_quality(tally, truth, "F1", "F1 advantage", find_parity(pairing, BERTSCORE_F1, resamples=RESAMPLES))
    return tally


def false_tables(tables: int, *, points: int, processes: int, spread: float, seed: int) -> float:
    """Share of tables of two sweeps of one truth in which any point is called different, in latency or memory."""
    machine = Machine(between=spread)
    run = a_run()
    runs = [replace(run, batch=batch) for batch in range(1, points + 1)]
    keys = [each.key for each in runs]
    wrong = 0
    for random in _generators(tables, seed):
        sides = [_timed(random, machine, runs, keys, processes) for _ in range(2)]
        wrong += any(point.verdicts for point in compare(*sides).points)
    return wrong / tables


def _timed(
    random: Generator, machine: Machine, runs: Sequence[Run], keys: Sequence[str], processes: int
) -> list[Record]:
    """Records of one sweep without quality: `processes` of each run."""
    records = []
    for run, key in zip(runs, keys, strict=True):
        for index in range(processes):
            peak = round(2**30 * math.exp(0.001 * random.standard_normal()))
            measured = a_measurement(
                samples=tuple(a_sample(latency_s=float(each)) for each in np.exp(machine.logs(random, 5))),
                memory=replace(a_measurement().memory, max_resident_bytes=peak),
                scores=(),
            )
            records.append(a_record(run, key=key, measurement=measured, replicate=index if processes > 1 else None))
    return records


def measure_timing(regime: Regime, *, sweeps: int, seed: int) -> tuple[float, float]:
    """How often the interval of a latency, and that of a ratio of two, contain the truth."""
    held = [0, 0]
    for random in _generators(sweeps, seed):
        arms = [
            over_processes([_process(random, regime, samples) for _ in range(regime.processes)])
            for samples in regime.samples
        ]
        latency_held = median_interval(arms[0])
        ratio = ratio_interval(*arms)
        assert ratio is not None
        held[0] += _contains(latency_held, 1.0)
        held[1] += _contains(ratio, 1.0)
    return held[0] / sweeps, held[1] / sweeps


def _process(random: Generator, regime: Regime, samples: int) -> Latency:
    """One process's samples: a fixed number, or until the benchmark's own rule is content."""
    if regime.stopping is None:
        return summarise([*np.exp(regime.machine.logs(random, samples))])
    every = [*np.exp(regime.machine.logs(random, MOST_SAMPLES))]
    rule = Rule(least=samples, stopping=Stopping(interval=regime.stopping, budget_s=1e9))
    taken = next((n for n in range(samples, MOST_SAMPLES) if rule.verdict(every[:n], 0.0)), MOST_SAMPLES)
    measured = a_measurement(
        samples=tuple(a_sample(latency_s=float(each)) for each in every[:taken]), stopped_by=StoppedBy.precision
    )
    found = latency([measured])
    assert found is not None
    return found


def _generators(sweeps: int, seed: int) -> list[Generator]:
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(sweeps)]


def _count_quality(tally: Tally, truth: Truth, quality: str, advantage: str, found: Parity) -> None:
    shown, per_nat = (math.exp, 1.0) if quality == "perplexity" else (f1, F1_PER_NAT)
    rates = [truth.rate[k] + truth.broken_share * BROKEN for k in found.steps]
    arms = zip((found.baseline, *found.quality), (truth.baseline_rate, *rates), strict=True)
    tally.add(quality, (_contains(interval, shown(rate)) for interval, rate in arms))
    ahead = zip(found.advantage, rates, strict=True)
    tally.add(advantage, (_contains(one, per_nat * (truth.baseline_rate - rate)) for one, rate in ahead))


def _count_choice(tally: Tally, truth: Truth, found: Parity) -> None:
    times = zip(found.latency_s, found.steps, strict=True)
    tally.add("latency", (_contains(interval, latency_s(k)) for interval, k in times if interval is not None))
    low, high = (math.inf if end is None else end for end in found.first_steps_interval)
    first = math.inf if truth.first_steps is None else truth.first_steps
    tally.add("S_parity", [low <= first <= high])
    tally.add("one K", [low == high])
    tally.add("wrongly reached", [high < first])
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
    "resolved, 8 sources of 4 prompts": lambda random: replace(resolved(random), clusters=8),
    "beyond, 8 sources of 4 prompts": lambda random: replace(beyond(random), clusters=8),
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


def _print_scenarios(sweeps: int) -> None:
    print(f"\n## Harder truths: 32 prompts, 10 latency samples\n\n{_heading('truth')}", flush=True)
    for seed, (name, draw) in enumerate(SCENARIOS.items()):
        print(_row((name,), measure_coverage(sized(draw, 32, 10), sweeps=sweeps, seed=seed)), flush=True)


def _print_timing(sweeps: int) -> None:
    print("\n## Timing: the truth is the median over all processes\n\n| regime | latency | ratio |\n|---|---|---|")
    for seed, (name, regime) in enumerate(REGIMES.items()):
        latency_held, ratio_held = measure_timing(regime, sweeps=sweeps, seed=seed)
        print(f"| {name} | {100 * latency_held:.1f} | {100 * ratio_held:.1f} |", flush=True)


def _print_alarms(tables: int) -> None:
    print("\n## compare: tables of 100 identical points that hold any verdict\n")
    print(
        f"{tables} tables a cell.\n\n| processes a point | spread between them | tables with a verdict |\n|---|---|---|"
    )
    for processes, spread_s in ((1, 0.0), (1, 0.02), (3, 0.005), (5, 0.01), (5, 0.02)):
        found = false_tables(tables, points=100, processes=processes, spread=spread_s, seed=processes)
        print(f"| {processes} | {spread_s:.1%} | {100 * found:.1f} |", flush=True)


PARTS: dict[str, Callable[[int], None]] = {
    "sizes": lambda sweeps: _print_sizes("Resolved", resolved, SIZES, sweeps),
    "spread": lambda sweeps: _print_sizes("Spread", spread, FEW_SIZES, sweeps),
    "scenarios": _print_scenarios,
    "timing": _print_timing,
    "tables": lambda sweeps: _print_alarms(max(10, sweeps // 5)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps behind each row")
    parser.add_argument("--part", choices=PARTS, action="append", help="print this part alone; repeatable")
    options = parser.parse_args()
    start = time.process_time()
    print(
        "# Coverage of the 95% intervals, in percent\n\n`python -m tests.benchmarks.coverage`; docs/parity.md explains."
    )
    print(f"\n{options.sweeps} sweeps a row, {RESAMPLES} resamples;", end=" ")
    print(f"Python {platform.python_version()}, numpy {np.__version__}")
    print("\nCrossing: steps at which the arms are equally good, between the K. Speed-up there: at the crossing.")
    print("Trimmed: the advantage by a mean without the best and the worst fifth of the texts, and the truth of that.")
    print("Wrongly reached: parity is claimed at a smaller K than the true one, which may be in 2.5.")
    print("One K: in how many sweeps the interval of S_parity is a single K, or wholly beyond the largest.")
    for part in options.part or PARTS:
        PARTS[part](options.sweeps)
    print(f"\nAll of it took {time.process_time() - start:.0f} s of one CPU core.")


if __name__ == "__main__":
    main()
