"""Sweeps with a known truth: real records whose quality curve, timing noise, S_parity and speed-up are set by hand.

A prompt's rate (nats per judge token) is the arm's own, plus the prompt's effect, which all arms share, plus noise. So
the true perplexity is exp of the arm's rate, and the true F1 likewise its level. A latency is its arm's median times
noise of median 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from benchmark.record import Record, Sample, Score
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample, an_autoregressive_run

Noise = Callable[[Generator, int], np.ndarray]
STEPS = (16, 32, 64, 128, 256)
STEP_S = 0.01
TIMING_SPREAD = 0.04
PROMPT_SPREAD, ARM_SPREAD = 0.4, 0.25  # nats per token
F1_FLOOR, F1_PER_NAT = 0.9, 0.05


def normal(random: Generator, size: int) -> np.ndarray:
    return random.standard_normal(size)


def skewed(random: Generator, size: int) -> np.ndarray:
    """Exponential, of mean 0 and spread 1."""
    return random.standard_exponential(size) - 1.0


def heavy(random: Generator, size: int) -> np.ndarray:
    """Student's t with 3 degrees of freedom: now and then a sample that is far too slow or too fast."""
    return random.standard_t(3, size)


def delayed(random: Generator, size: int) -> np.ndarray:
    """Exponential, of median 0: never much too fast, often too slow."""
    return random.standard_exponential(size) - math.log(2.0)


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a simulated sweep measures.

    Attributes:
        rate: mean nats per judge token at each K; lower is better.
        baseline_rate: that of the autoregressive arm.
    """

    rate: dict[int, float]
    baseline_rate: float
    baseline_s: float = 0.64
    prompts: int = 32
    latency_samples: int = 10
    prompt_noise: Noise = normal
    timing_noise: Noise = normal
    timing_spread: float = TIMING_SPREAD

    @property
    def first_steps(self) -> int | None:
        """S_parity."""
        return next((k for k, rate in self.rate.items() if rate <= self.baseline_rate), None)

    @property
    def speedup(self) -> float | None:
        """At S_parity."""
        return None if self.first_steps is None else self.baseline_s / latency_s(self.first_steps)


def latency_s(steps: int) -> float:
    """True median latency of a diffusion run."""
    return STEP_S * steps


def f1(rate: float) -> float:
    """True F1 of an arm: it orders the arms as their rates do."""
    return F1_FLOOR - F1_PER_NAT * rate


def curve(*, floor: float, drop: float, steps: tuple[int, ...] = STEPS) -> dict[int, float]:
    """A rate that falls with K towards `floor`, `drop` nats above it at the smallest K."""
    return {k: floor + drop * steps[0] / k for k in steps}


def simulate(truth: Truth, random: Generator) -> list[Record]:
    """One sweep: the autoregressive run, then one run for each K."""
    effect = PROMPT_SPREAD * truth.prompt_noise(random, truth.prompts)
    arms = [(None, truth.baseline_rate, truth.baseline_s)]
    arms += [(k, rate, latency_s(k)) for k, rate in truth.rate.items()]
    return [_record(truth, random, k, rate + effect, median_s) for k, rate, median_s in arms]


def _record(truth: Truth, random: Generator, k: int | None, rate: np.ndarray, median_s: float) -> Record:
    run = an_autoregressive_run() if k is None else a_run(diffusion=a_diffusion(steps=k))
    run = replace(run, prompts=replace(run.prompts, count=truth.prompts))
    rates = rate + ARM_SPREAD * truth.prompt_noise(random, truth.prompts)
    tokens = random.integers(20, 65, truth.prompts)
    factors = np.exp(truth.timing_spread * truth.timing_noise(random, truth.latency_samples))
    return a_record(
        run,
        measurement=a_measurement(
            samples=tuple(_sample(float(median_s * factor)) for factor in factors),
            scores=tuple(_score(i, float(rates[i]), int(tokens[i])) for i in range(truth.prompts)),
        ),
    )


def _sample(seconds: float) -> Sample:
    return a_sample(latency_s=seconds, host_latency_s=seconds)


def _score(prompt: int, rate: float, tokens: int) -> Score:
    return Score(
        prompt_id=f"prompt-{prompt}",
        nll_nats=rate * tokens,
        judge_tokens=tokens,
        entropy_nats=3.5,
        distinct_2=0.9,
        repetition_4=0.1,
        bertscore_f1=f1(rate),
    )
