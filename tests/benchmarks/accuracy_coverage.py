"""How often the intervals of accuracy are right: `python -m tests.benchmarks.accuracy_coverage` prints a table.

Each prompt has a difficulty of its own, which the arms share: an answer is right where a normal draw of that prompt and
arm, correlated between arms, lies below the arm's threshold. Clusters share a part of the difficulty.
"""

import argparse
import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.random import Generator

from analysis.parity.comparability import group
from analysis.parity.quality import METRICS
from analysis.parity.steps_to_parity import find_parity
from crossover.records.record import Record
from crossover.records.run import Run
from tests.benchmarks.tally import RESAMPLES, Tally, contains, generators
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_score, an_autoregressive_run

COLUMNS = ("accuracy", "advantage", "S_parity", "wrongly reached")


@dataclass(frozen=True, kw_only=True)
class AnswerTruth:
    """True accuracies; `alike` is the share of a draw's variance that the arms have in common."""

    baseline: float
    ladder: dict[int, float]
    prompts: int
    alike: float = 0.7
    clusters: int | None = None
    in_cluster: float = 0.3

    @property
    def first_steps(self) -> float:
        """The first K that is as good as the baseline; infinity where none is."""
        return next((k for k, share in self.ladder.items() if share >= self.baseline), math.inf)


USUAL = AnswerTruth(baseline=0.5, ladder={1: 0.25, 2: 0.35, 4: 0.5, 8: 0.6}, prompts=64)
SCENARIOS = {
    "32 prompts": replace(USUAL, prompts=32),
    "64 prompts": USUAL,
    "200 prompts": replace(USUAL, prompts=200),
    "64 prompts, arms hardly alike": replace(USUAL, alike=0.2),
    "64 prompts, arms nearly the same": replace(USUAL, alike=0.97),
    "32 prompts, nearly all right": AnswerTruth(baseline=0.97, ladder={1: 0.9, 2: 0.95, 4: 0.97, 8: 0.98}, prompts=32),
    "64 prompts, hardly any right": AnswerTruth(baseline=0.05, ladder={1: 0.01, 2: 0.02, 4: 0.05, 8: 0.06}, prompts=64),
    "200 prompts, every K 2 points short": AnswerTruth(
        baseline=0.5, ladder=dict.fromkeys((1, 2, 4, 8), 0.48), prompts=200
    ),
    "8 sources of 8 prompts": replace(USUAL, clusters=8),
    "16 sources of 4 prompts": replace(USUAL, clusters=16),
}


def simulate_answers(truth: AnswerTruth, random: Generator) -> list[Record]:
    """The baseline's record, and that of each K."""
    shared_P = random.standard_normal(truth.prompts)
    cluster_P = [None] * truth.prompts if truth.clusters is None else np.arange(truth.prompts) % truth.clusters
    if truth.clusters is not None:
        of_cluster_P = random.standard_normal(truth.clusters)[np.asarray(cluster_P)]
        shared_P = math.sqrt(truth.in_cluster) * of_cluster_P + math.sqrt(1 - truth.in_cluster) * shared_P

    def record(run: Run, share: float) -> Record:
        own_P = random.standard_normal(truth.prompts)
        drawn_P = math.sqrt(truth.alike) * shared_P + math.sqrt(1 - truth.alike) * own_P
        right_P = drawn_P < NormalDist().inv_cdf(share)
        scores = tuple(
            a_score(prompt_id=f"q{index}", correct=float(right), cluster=None if of is None else str(of))
            for index, (right, of) in enumerate(zip(right_P, cluster_P, strict=True))
        )
        return a_record(run, measurement=replace(a_measurement(), scores=scores))

    ladder = [record(a_run(diffusion=a_diffusion(steps=k)), share) for k, share in truth.ladder.items()]
    return [record(an_autoregressive_run(), truth.baseline), *ladder]


def measure_accuracy_coverage(truth: AnswerTruth, *, sweeps: int, seed: int) -> Tally:
    """Simulate `sweeps` sweeps, and count the intervals that contain the truth."""
    tally = Tally()
    for random in generators(sweeps, seed):
        (pairing,) = group(simulate_answers(truth, random)).pairings
        parity = find_parity(pairing, METRICS["accuracy"], resamples=RESAMPLES)
        shares = list(truth.ladder.values())
        tally.add("accuracy", map(contains, (parity.baseline, *parity.quality), (truth.baseline, *shares)))
        tally.add(
            "advantage",
            (contains(each, share - truth.baseline) for each, share in zip(parity.advantage, shares, strict=True)),
        )
        low, high = (math.inf if end is None else end for end in parity.first_steps_interval)
        tally.add("S_parity", [low <= truth.first_steps <= high])
        tally.add("wrongly reached", [high < truth.first_steps])
    return tally


def print_accuracy(sweeps: int) -> None:
    """The table."""
    print("\n## Accuracy: shares of right answers\n")
    print("| answers | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for seed, (name, truth) in enumerate(SCENARIOS.items()):
        tally = measure_accuracy_coverage(truth, sweeps=sweeps, seed=seed)
        print(f"| {name} | " + " | ".join(tally.percent(column) for column in COLUMNS) + " |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000)
    print_accuracy(parser.parse_args().sweeps)
