"""How often intervals of latencies and verdicts of `compare` are right: parts of `tests.benchmarks.coverage`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from analysis.parity.compare import compare
from analysis.statistics.timing import Latency, latency, median_interval, over_processes, ratio_interval, summarise
from benchmark.measurement.stopping import Rule
from crossover.records.record import Record, StoppedBy
from crossover.records.run import Run
from crossover.records.settings import Stopping
from tests.benchmarks.tally import contains, generators
from tests.factories import a_measurement, a_record, a_run, a_sample
from tests.simulation import Machine


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
        for samples in (10, 16, 32, 64)
    },
    **{
        f"1 process, AR(2) of 0.5 and 0.3, {samples} samples": Regime(
            machine=Machine(correlation=0.5, second=0.3), samples=(samples, samples)
        )
        for samples in (16, 32, 64)
    },
}
MOST_SAMPLES = 80


def false_tables(tables: int, *, points: int, processes: int, spread: float, seed: int) -> float:
    """Share of tables of two sweeps of one truth in which any point is called different, in latency or memory."""
    machine = Machine(between=spread)
    run = a_run()
    runs = [replace(run, batch=batch) for batch in range(1, points + 1)]
    keys = [each.key for each in runs]
    wrong = 0
    for random in generators(tables, seed):
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
    for random in generators(sweeps, seed):
        arms = [
            over_processes([_process(random, regime, samples) for _ in range(regime.processes)])
            for samples in regime.samples
        ]
        latency_held = median_interval(arms[0])
        ratio = ratio_interval(*arms)
        assert ratio is not None
        held[0] += contains(latency_held, 1.0)
        held[1] += contains(ratio, 1.0)
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


def print_timing(sweeps: int) -> None:
    print("\n## Timing: the truth is the median over all processes\n\n| regime | latency | ratio |\n|---|---|---|")
    for seed, (name, regime) in enumerate(REGIMES.items()):
        latency_held, ratio_held = measure_timing(regime, sweeps=sweeps, seed=seed)
        print(f"| {name} | {100 * latency_held:.1f} | {100 * ratio_held:.1f} |", flush=True)


def print_alarms(tables: int) -> None:
    print("\n## compare: tables of 100 identical points that hold any verdict\n")
    print(
        f"{tables} tables a cell.\n\n| processes a point | spread between them | tables with a verdict |\n|---|---|---|"
    )
    for processes, spread_s in ((1, 0.0), (1, 0.02), (3, 0.005), (5, 0.01), (5, 0.02)):
        found = false_tables(tables, points=100, processes=processes, spread=spread_s, seed=processes)
        print(f"| {processes} | {spread_s:.1%} | {100 * found:.1f} |", flush=True)
