"""The quality metrics by which parity is defined: what each prompt adds, how it is averaged, which way is better."""

from collections.abc import Callable
from dataclasses import dataclass

from analysis.statistics.intervals import exponential
from crossover.records.texts import Score


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A quality metric: a weighted mean over prompts, or the exponential of one.

    Attributes:
        unit: of the metric and of a margin; empty for a pure number.
        advantage_unit: of a difference between two arms, taken before any exponential.
        part: a prompt's weighted value and its weight, so that the mean is sum(value) / sum(weight);
            None when the prompt has no score.
        rewards_repetition: text that repeats itself scores well, so that parity also needs like entropies.
        exponential: the metric is exp of the mean; differences are then those of the mean itself.
    """

    name: str
    label: str
    unit: str
    advantage_unit: str
    higher_is_better: bool
    exponential: bool
    rewards_repetition: bool
    part: Callable[[Score], tuple[float, float] | None]

    def shown(self, mean: float) -> float:
        """The metric's value at a weighted mean; infinity beyond what a number can hold."""
        return exponential(mean) if self.exponential else mean


def _likelihood(score: Score) -> tuple[float, float] | None:
    if score.nll_nats is None or score.judge_tokens is None or score.judge_tokens <= 0:
        return None
    return score.nll_nats, float(score.judge_tokens)


def _bertscore(score: Score) -> tuple[float, float] | None:
    return None if score.bertscore_f1 is None else (score.bertscore_f1, 1.0)


PERPLEXITY = Metric(
    name="perplexity",
    label="Generative perplexity",
    unit="",
    advantage_unit="nats per judge token",
    higher_is_better=False,
    exponential=True,
    rewards_repetition=True,
    part=_likelihood,
)
BERTSCORE_F1 = Metric(
    name="bertscore_f1",
    label="BERTScore F1",
    unit="",
    advantage_unit="F1",
    higher_is_better=True,
    exponential=False,
    rewards_repetition=False,
    part=_bertscore,
)
METRICS = {metric.name: metric for metric in (PERPLEXITY, BERTSCORE_F1)}
"""Every metric that can define parity, by name."""
