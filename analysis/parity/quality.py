"""The quality metrics by which parity is defined: what each prompt adds, how it is averaged, which way is better."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from analysis.statistics.intervals import exponential
from crossover.records.record import Measurement
from crossover.records.texts import DocumentLikelihood, Score

Part = tuple[float, float]
"""A prompt's weighted value and its weight: the mean is the sum of the values over that of the weights."""


ROUNDED = 1e-3
"""By which rounding may carry a figure beyond its range."""


def _nothing(_: Score) -> Part | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A quality metric: a weighted mean over prompts, or the exponential of one.

    Attributes:
        advantage_unit: of a difference between two arms, taken before any exponential.
        part: what the score of a prompt's output adds to the mean; None when it has none.
        document_part: of a metric that does not read the outputs, what a document adds; None for other metrics.
        rewards_repetition: text that repeats itself scores well, so that parity also needs like entropies.
        exponential: the metric is exp of the mean; differences are then those of the mean itself.
        is_share: what a prompt adds is right or wrong, so that few prompts may show no spread where there is some.
        possible: what a prompt's figure lies between, before any exponential: a probability is at most 1.
    """

    name: str
    label: str
    advantage_unit: str
    higher_is_better: bool
    exponential: bool = False
    rewards_repetition: bool = False
    is_share: bool = False
    possible: tuple[float, float] = (0.0, math.inf)
    part: Callable[[Score], Part | None] = _nothing
    document_part: Callable[[DocumentLikelihood], Part | None] | None = None

    def parts(self, measured: Measurement) -> dict[str, Part | None]:
        """What each prompt adds to the mean of a run; None where it has no score, or two."""
        if self.document_part is not None:
            return _once((document.prompt_id, self.document_part(document)) for document in measured.likelihood)
        return _once((score.prompt_id, self.part(score)) for score in measured.scores)

    def human(self, measured: Measurement) -> float | None:
        """The metric of the documents' true continuations; None where no judge read them."""
        parts = [part for part in map(self.part, measured.human) if part is not None]
        weight = sum(each for _, each in parts)
        return self.shown(sum(value for value, _ in parts) / weight) if weight else None

    def is_possible(self, figure: float) -> bool:
        """Whether a prompt can have this figure, as far as rounding goes."""
        return self.possible[0] - ROUNDED <= figure <= self.possible[1] + ROUNDED

    def shown(self, mean: float) -> float:
        """The metric's value at a weighted mean: infinity beyond what a number can hold, a share from 0 to 1."""
        if self.is_share:
            return min(max(mean, 0.0), 1.0)
        return exponential(mean) if self.exponential else mean


def _once(named: Iterable[tuple[str, Part | None]]) -> dict[str, Part | None]:
    """By prompt; of two scores of one prompt nobody can say which is its own."""
    parts: dict[str, Part | None] = {}
    for prompt, part in named:
        parts[prompt] = None if prompt in parts else part
    return parts


def _likelihood(score: Score) -> Part | None:
    return None if score.judge_tokens is None else _rate(score.nll_nats, score.judge_tokens)


def _bits(score: Score) -> Part | None:
    return None if score.text_bytes is None else _as_bits(_rate(score.nll_nats, score.text_bytes))


def _sampler_bits(document: DocumentLikelihood) -> Part | None:
    return _as_bits(_rate(document.sampler_nats, document.text_bytes))


def _rate(nats: float | None, weight: int) -> Part | None:
    """A text's nats and what they are spread over; None where it has neither."""
    return None if nats is None or weight <= 0 else (nats, float(weight))


def _as_bits(nats: Part | None) -> Part | None:
    return None if nats is None else (nats[0] / math.log(2), nats[1])


def _bertscore(score: Score) -> Part | None:
    return None if score.bertscore_f1 is None else (score.bertscore_f1, 1.0)


def _correct(score: Score) -> Part | None:
    return None if score.correct is None else (score.correct, 1.0)


BITS_PER_BYTE = Metric(
    name="bits_per_byte",
    label="Bits per byte under the judge",
    advantage_unit="bits per byte",
    higher_is_better=False,
    rewards_repetition=True,
    part=_bits,
)
PERPLEXITY = Metric(
    name="perplexity",
    label="Generative perplexity",
    advantage_unit="nats per judge token",
    higher_is_better=False,
    exponential=True,
    rewards_repetition=True,
    part=_likelihood,
)
BERTSCORE_F1 = Metric(
    name="bertscore_f1",
    label="BERTScore F1",
    advantage_unit="F1",
    higher_is_better=True,
    possible=(-1.0, 1.0),
    part=_bertscore,
)
SAMPLER_BITS_PER_BYTE = Metric(
    name="sampler_bits_per_byte",
    label="Bits per byte of the true text",
    advantage_unit="bits per byte",
    higher_is_better=False,
    document_part=_sampler_bits,
)
ACCURACY = Metric(
    name="accuracy",
    label="Accuracy",
    advantage_unit="of the answers",
    higher_is_better=True,
    is_share=True,
    possible=(0.0, 1.0),
    part=_correct,
)
METRICS = {metric.name: metric for metric in (BITS_PER_BYTE, PERPLEXITY, SAMPLER_BITS_PER_BYTE, BERTSCORE_F1, ACCURACY)}
"""Every metric that can define parity, by name, in the order in which they are shown."""
