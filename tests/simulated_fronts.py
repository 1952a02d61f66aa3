"""Sweeps over temperatures with a known truth: quality rises with entropy along a curve that each arm has of its own.

A text's entropy is its arm's at that temperature, plus the prompt's effect, which all arms and the author share, plus
noise; its rate (bits per byte) is the curve's at the arm's entropy, plus an effect and noise of the same kind. A text
that ends early has a part of the bytes and an entropy far below.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from crossover.records.record import Record
from crossover.records.texts import Score
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample, an_autoregressive_run

TEMPERATURES = (1.0, 1.3, 1.8, 2.8)
HUMAN_NATS, HUMAN_BITS = 3.92, 1.5
STEP_S = 0.01
Curve = Callable[[float], float]
"""The rate at an entropy."""


def line(at_human: float, slope: float = 3.0) -> Curve:
    """A front that runs straight: no interpolation errs."""
    return lambda nats: at_human + slope * (nats - HUMAN_NATS)


@dataclass(frozen=True, kw_only=True)
class FrontTruth:
    """What a simulated sweep over temperatures measures.

    Attributes:
        baseline: its front, and its entropy at each temperature; `ladder` has the same of each K.
        clusters: sources of the prompts, in equal parts; prompts of one share most of what they differ in.
        early: share of texts that end early.
    """

    baseline: tuple[Curve, tuple[float, ...]]
    ladder: Mapping[int, tuple[Curve, tuple[float, ...]]]
    prompts: int = 24
    clusters: int | None = None
    early: float = 0.0
    baseline_s: float = 0.32

    @property
    def first_steps(self) -> int | None:
        """S_parity between the fronts."""
        aim = self.baseline[0](HUMAN_NATS)
        return next((k for k, (curve, _) in self.ladder.items() if curve(HUMAN_NATS) <= aim), None)


def simulate_fronts(truth: FrontTruth, random: Generator) -> list[Record]:
    """One run for each arm and temperature."""
    effects_2P = _effects(truth, random)
    human = tuple(_texts(truth, random, effects_2P, HUMAN_NATS, HUMAN_BITS, early=0.0))
    arms = [(None, *truth.baseline), *((k, *arm) for k, arm in truth.ladder.items())]
    records = []
    for k, curve, entropies in arms:
        for temperature, nats in zip(TEMPERATURES, entropies, strict=False):
            texts = _texts(truth, random, effects_2P, nats, curve(nats), early=truth.early)
            records.append(_record(truth, random, k, temperature, (tuple(texts), human)))
    return records


def _effects(truth: FrontTruth, random: Generator) -> np.ndarray:
    """Of each prompt on entropy and rate."""
    own = random.standard_normal((2, truth.prompts))
    if truth.clusters is not None:
        shared = random.standard_normal((2, truth.clusters))
        own = 0.5 * own + np.repeat(shared, truth.prompts // truth.clusters, axis=1)
    scaled: np.ndarray = np.array([[0.1], [0.2]]) * own
    return scaled


def _texts(
    truth: FrontTruth, random: Generator, effects_2P: np.ndarray, nats: float, bits: float, *, early: float
) -> list[Score]:
    noise = random.standard_normal((2, truth.prompts))
    entropy = nats + effects_2P[0] + 0.08 * noise[0]
    rate = bits + effects_2P[1] + 0.15 * noise[1]
    size = random.integers(200, 320, truth.prompts)
    ends = random.random(truth.prompts) < early
    return [
        Score(
            prompt_id=f"prompt-{i}",
            nll_nats=float(rate[i]) * math.log(2) * int(size[i] // (20 if ends[i] else 1)),
            judge_tokens=60,
            entropy_nats=float(entropy[i]) - (2.0 if ends[i] else 0.0),
            distinct_2=0.9,
            repetition_4=0.1,
            text_bytes=int(size[i] // (20 if ends[i] else 1)),
            cluster=None if truth.clusters is None else f"source-{i // (truth.prompts // truth.clusters)}",
        )
        for i in range(truth.prompts)
    ]


def _record(
    truth: FrontTruth,
    random: Generator,
    k: int | None,
    temperature: float,
    texts: tuple[tuple[Score, ...], tuple[Score, ...]],
) -> Record:
    run = an_autoregressive_run() if k is None else a_run(diffusion=a_diffusion(steps=k))
    run = replace(run, temperature=temperature, prompts=replace(run.prompts, count=truth.prompts))
    median_s = truth.baseline_s if k is None else STEP_S * k
    factors = np.exp(0.02 * random.standard_normal(6))
    scores, human = texts
    return a_record(
        run,
        measurement=a_measurement(
            samples=tuple(a_sample(latency_s=median_s * factor, host_latency_s=median_s) for factor in factors),
            scores=scores,
            human=human,
        ),
    )
