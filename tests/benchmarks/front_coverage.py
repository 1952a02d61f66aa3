"""How often parity between fronts is right: a part of `python -m tests.benchmarks.coverage`."""

import math
from collections.abc import Callable
from dataclasses import replace

from numpy.random import Generator

from analysis.parity.fronts.pairings import front_pairings
from analysis.parity.fronts.parity import read_fronts
from analysis.parity.quality import BITS_PER_BYTE
from tests.benchmarks.tally import RESAMPLES, Tally, contains, generators
from tests.simulated_fronts import HUMAN_NATS, FrontTruth, line, simulate_fronts

AROUND = (3.7, 3.87, 4.0, 4.1)
Draw = Callable[[Generator], FrontTruth]
COLUMNS = ("baseline there", "quality there", "advantage", "S_parity", "wrongly reached", "read")


def apart(random: Generator) -> FrontTruth:  # noqa: ARG001 (each sweep has the same truth)
    """K=16 is 0.4 bits worse at the authors' entropy, K=32 as good, K=64 better."""
    ladder = {16: (line(1.9), AROUND), 32: (line(1.5), AROUND), 64: (line(1.2), AROUND)}
    return FrontTruth(baseline=(line(1.5), AROUND), ladder=ladder)


def at_like_entropy(random: Generator) -> FrontTruth:
    """The same, with diffusion's temperatures elsewhere on its fronts."""
    shifted = tuple(nats - random.uniform(0.0, 0.1) for nats in AROUND)
    ladder = {16: (line(1.9), shifted), 32: (line(1.5), shifted), 64: (line(1.2), shifted)}
    return FrontTruth(baseline=(line(1.5), AROUND), ladder=ladder)


def short(random: Generator) -> FrontTruth:  # noqa: ARG001 (each sweep has the same truth)
    """Every K is 0.02 bits short at the authors' entropy, and far better at its own of temperature 1."""
    low = (3.3, 3.6, 3.85, 4.0)
    return FrontTruth(baseline=(line(1.5), AROUND), ladder={k: (line(1.52), low) for k in (16, 32, 64)})


def bent(random: Generator) -> FrontTruth:  # noqa: ARG001 (each sweep has the same truth)
    """Both fronts are curves (of 3 and 6 bits per squared nat): the straight line between two temperatures errs."""

    def curve(at_human: float, bend: float) -> Callable[[float], float]:
        return lambda nats: at_human + 3.0 * (nats - HUMAN_NATS) + bend * (nats - HUMAN_NATS) ** 2

    ladder = {16: (curve(1.9, 6.0), AROUND), 32: (curve(1.5, 6.0), AROUND), 64: (curve(1.2, 6.0), AROUND)}
    return FrontTruth(baseline=(curve(1.5, 3.0), AROUND), ladder=ladder)


SCENARIOS: dict[str, Draw] = {
    "straight fronts, 24 prompts": apart,
    "diffusion at other entropies": at_like_entropy,
    "16 prompts": lambda random: replace(apart(random), prompts=16),
    "64 prompts": lambda random: replace(apart(random), prompts=64),
    "8 sources of 4 prompts": lambda random: replace(apart(random), prompts=32, clusters=8),
    "5% of texts end early": lambda random: replace(apart(random), early=0.05),
    "every K 0.02 bits short": short,
    "bent fronts": bent,
}


def measure_front_coverage(draw: Draw, *, sweeps: int, seed: int) -> Tally:
    """Simulate `sweeps` sweeps over temperatures, and count the intervals that contain the truth."""
    tally = Tally()
    for random in generators(sweeps, seed):
        truth = draw(random)
        (pairing,) = front_pairings(simulate_fronts(truth, random))
        fronts = read_fronts(pairing, BITS_PER_BYTE, resamples=RESAMPLES)
        tally.add("read", [fronts.parity is not None])
        if (parity := fronts.parity) is None:
            continue
        aim = truth.baseline[0](HUMAN_NATS)
        true = [truth.ladder[k][0](HUMAN_NATS) for k in parity.steps]
        tally.add("baseline there", [contains(parity.baseline, aim)])
        tally.add("quality there", map(contains, parity.quality, true))
        tally.add("advantage", (contains(each, aim - one) for each, one in zip(parity.advantage, true, strict=True)))
        low, high = (math.inf if end is None else end for end in parity.first_steps_interval)
        first = truth.first_steps or math.inf
        tally.add("S_parity", [low <= first <= high])
        tally.add("wrongly reached", [high < first])
    return tally


def print_fronts(sweeps: int) -> None:
    print("\n## Fronts: parity at the authors' entropy\n")
    print(f"| truth | {' | '.join(COLUMNS)} |\n|{'---|' * (1 + len(COLUMNS))}")
    for seed, (name, draw) in enumerate(SCENARIOS.items()):
        tally = measure_front_coverage(draw, sweeps=sweeps, seed=seed)
        print(f"| {name} | {' | '.join(tally.percent(column) for column in COLUMNS)} |", flush=True)


if __name__ == "__main__":
    print_fronts(1000)
