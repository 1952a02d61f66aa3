"""Sweeps with a known truth: real records whose quality curve, timing noise, S_parity and speed-up are set by hand.

A prompt's rate (nats per judge token) is the arm's own, plus the prompt's effect, which all arms share, plus noise. So
the true perplexity is exp of the arm's rate, and the true F1 likewise its level. A latency is its arm's median times
noise of median 1.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.random import Generator

from crossover.records.record import Record, Sample
from crossover.records.texts import Score
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample, an_autoregressive_run

Noise = Callable[[Generator, int], np.ndarray]
STEPS = (16, 32, 64, 128, 256)
STEP_S = 0.01
TIMING_SPREAD = 0.04
PROMPT_SPREAD, ARM_SPREAD = 0.4, 0.25  # nats per token
BROKEN = 5.0
"""Nats per token by which a text that breaks down is worse."""
BURN_IN = 100
"""Samples before those that count, of noise that remembers two back."""
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


def two_modes(random: Generator, size: int) -> np.ndarray:
    """Three samples in ten come from a mode that is much slower; shifted so that the median is 0."""
    narrow = 0.2
    median = narrow * NormalDist().inv_cdf(0.5 / 0.7)  # the slow mode lies above it
    return narrow * random.standard_normal(size) + 3.0 * (random.random(size) < 0.3) - median


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What a simulated sweep measures.

    Attributes:
        rate: mean nats per judge token at each K; lower is better.
        baseline_rate: that of the autoregressive arm.
        clusters: sources from which the prompts come in equal parts; prompts of one share most of what they differ in.
        broken_share: share of diffusion's texts that break down: their rate is `BROKEN` higher.
        exact_crossing: of a curve that is no straight line between the K; None takes straight lines.
    """

    rate: dict[int, float]
    baseline_rate: float
    baseline_s: float = 0.64
    prompts: int = 32
    latency_samples: int = 10
    prompt_noise: Noise = normal
    timing_noise: Noise = normal
    timing_spread: float = TIMING_SPREAD
    clusters: int | None = None
    broken_share: float = 0.0
    exact_crossing: float | None = None

    @property
    def first_steps(self) -> int | None:
        """S_parity."""
        return next((k for k, rate in self.rate.items() if rate <= self.baseline_rate), None)

    @property
    def crossing(self) -> float | None:
        """Steps at which the arms are equally good, between the K; None beyond the ladder."""
        if self.exact_crossing is not None:
            return self.exact_crossing
        for (k, rate), (next_k, next_rate) in pairwise(self.rate.items()):
            if rate > self.baseline_rate >= next_rate:
                return float(k * (next_k / k) ** ((rate - self.baseline_rate) / (rate - next_rate)))
        return None

    def trimmed_advantage(self, k: int) -> float:
        """The mean of the middle three fifths of all prompts' differences, when some of diffusion's texts break down.

        The differences are a mixture of two normal distributions, and their partial means are known.
        """
        ahead, p = self.baseline_rate - self.rate[k], self.broken_share
        parts = (
            (1 - p, NormalDist(0.0, ARM_SPREAD * math.sqrt(2))),
            (p, NormalDist(-BROKEN, ARM_SPREAD * math.sqrt(2))),
        )
        ends = [_quantile(parts, share) for share in (0.2, 0.8)]
        return ahead + sum(share * _partial_mean(normal, *ends) for share, normal in parts) / 0.6

    @property
    def crossing_speedup(self) -> float | None:
        """There. The latencies are proportional to K, so that they run straight between the K."""
        return None if self.crossing is None else self.baseline_s / (STEP_S * self.crossing)

    @property
    def speedup(self) -> float | None:
        """At S_parity."""
        return None if self.first_steps is None else self.baseline_s / latency_s(self.first_steps)


def _quantile(parts: Sequence[tuple[float, NormalDist]], share: float) -> float:
    """Of a mixture, by bisection."""
    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        if sum(weight * normal.cdf(middle) for weight, normal in parts) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _partial_mean(normal: NormalDist, low: float, high: float) -> float:
    """The integral of x times the density from `low` to `high`."""
    inside = normal.cdf(high) - normal.cdf(low)
    return normal.mean * inside - normal.variance * (normal.pdf(high) - normal.pdf(low))


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
    if truth.clusters is not None:
        effect += np.repeat(random.standard_normal(truth.clusters), truth.prompts // truth.clusters)
    arms: list[tuple[int | None, float, float]] = [(None, truth.baseline_rate, truth.baseline_s)]
    arms += [(k, rate, latency_s(k)) for k, rate in truth.rate.items()]
    return [_record(truth, random, k, rate + effect, median_s) for k, rate, median_s in arms]


def _record(truth: Truth, random: Generator, k: int | None, rate: np.ndarray, median_s: float) -> Record:
    run = an_autoregressive_run() if k is None else a_run(diffusion=a_diffusion(steps=k))
    run = replace(run, prompts=replace(run.prompts, count=truth.prompts))
    rates = rate + ARM_SPREAD * truth.prompt_noise(random, truth.prompts)
    if k is not None and truth.broken_share:
        rates = rates + BROKEN * (random.random(truth.prompts) < truth.broken_share)
    if truth.clusters is not None:  # what an arm makes of a source it makes of all its documents
        rates = rates + ARM_SPREAD * np.repeat(random.standard_normal(truth.clusters), truth.prompts // truth.clusters)
    tokens = random.integers(20, 65, truth.prompts)
    factors = np.exp(truth.timing_spread * truth.timing_noise(random, truth.latency_samples))
    return a_record(
        run,
        measurement=a_measurement(
            samples=tuple(_sample(float(median_s * factor)) for factor in factors),
            scores=tuple(_score(i, float(rates[i]), int(tokens[i]), truth) for i in range(truth.prompts)),
        ),
    )


def _sample(seconds: float) -> Sample:
    return a_sample(latency_s=seconds, host_latency_s=seconds)


def _score(prompt: int, rate: float, tokens: int, truth: Truth) -> Score:
    source = None if truth.clusters is None else f"source-{prompt // (truth.prompts // truth.clusters)}"
    return Score(
        cluster=source,
        prompt_id=f"prompt-{prompt}",
        nll_nats=rate * tokens,
        judge_tokens=tokens,
        entropy_nats=3.5,
        distinct_2=0.9,
        repetition_4=0.1,
        bertscore_f1=f1(rate),
    )


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How latencies of one point vary, on the logarithmic scale; the truth is 0, the median of all processes.

    Attributes:
        within: spread of a process's samples.
        correlation: how much each has of the one before; `second`: of the one before that.
        between: spread of the processes' medians.
        drift: spread of the processes' slopes: so much slower or faster at the end of a process than at its beginning.
        mode: how far apart two processes' medians lie at most, which spend other shares of time in a slow clock mode.
    """

    within: float = 0.01
    correlation: float = 0.0
    second: float = 0.0
    between: float = 0.0
    drift: float = 0.0
    mode: float = 0.0

    def _noise(self, random: Generator, samples: int) -> np.ndarray:
        """Of spread 1, each with what it has of those before."""
        first, second = self.correlation, self.second
        burned = BURN_IN if second else 0
        variance = (1 - second) / ((1 + second) * ((1 - second) ** 2 - first**2))
        noise = np.empty(burned + samples)
        noise[0] = random.standard_normal()
        fresh = random.standard_normal(burned + samples) / math.sqrt(variance)
        for index in range(1, burned + samples):
            earlier = noise[index - 2] if index > 1 else 0.0
            noise[index] = first * noise[index - 1] + second * earlier + fresh[index]
        return noise[burned:]

    def logs(self, random: Generator, samples: int) -> np.ndarray:
        """Logarithms of one process's latencies, in their order."""
        noise = self._noise(random, samples)
        along = np.linspace(-0.5, 0.5, samples)
        slow = self.mode * (random.random() - 0.5) if self.mode else 0.0  # how much of it falls into the slow mode
        return (
            self.within * noise
            + self.between * random.standard_normal()
            + self.drift * random.standard_normal() * (along + 0.5)
            + slow
        )


def resolved(random: Generator) -> Truth:  # noqa: ARG001 (each sweep has the same truth)
    """S_parity is 64, and 0.4 nats separate it and the K below it from the baseline."""
    return Truth(rate=curve(floor=3.0, drop=3.2), baseline_rate=4.2)


def spread(random: Generator) -> Truth:
    """A flatter curve; the baseline crosses it anywhere between the smallest K and the largest."""
    return Truth(rate=curve(floor=3.0, drop=0.8), baseline_rate=3.0 + 0.8 * 2.0 ** -random.uniform(0.0, 4.0))


def tied(random: Generator) -> Truth:  # noqa: ARG001
    """As `resolved`, but at S_parity the two arms are equally good."""
    return Truth(rate=curve(floor=3.0, drop=3.2), baseline_rate=3.8)


def flat(random: Generator) -> Truth:  # noqa: ARG001
    """Every K is as good as the baseline within a hundredth of a nat; the third is the first to reach it."""
    return Truth(rate={16: 3.01, 32: 3.01, 64: 3.0, 128: 3.0, 256: 3.0}, baseline_rate=3.0)


def beyond(random: Generator) -> Truth:  # noqa: ARG001
    """Parity is never reached: quality levels off a hundredth of a nat short of it."""
    return Truth(rate=dict.fromkeys(STEPS, 3.01), baseline_rate=3.0)


def rising(random: Generator) -> Truth:  # noqa: ARG001
    """Parity at K=32, lost at 64 and found again: a curve that is not monotone."""
    return Truth(rate={16: 4.0, 32: 3.2, 64: 4.0, 128: 3.2, 256: 3.0}, baseline_rate=3.6)


def powerlaw(steps: tuple[int, ...]) -> Callable[[Generator], Truth]:
    """A curve that falls as 1 / K, seen at few K; the baseline crosses it anywhere."""

    def draw(random: Generator) -> Truth:
        crossing = float(steps[0] * (steps[-1] / steps[0]) ** random.uniform(0.05, 0.95))
        rate = curve(floor=3.0, drop=3.2, steps=steps)
        return Truth(rate=rate, baseline_rate=3.0 + 3.2 * steps[0] / crossing, exact_crossing=crossing)

    return draw
