"""Metrics of a text by itself, one row each: a new one is a function in a file of this folder, and a row here.

The figures that were there first are fields of `Score`: entropy_nats, distinct_2 and repetition_4.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.quality.compression import compression_ratio
from benchmark.quality.copying import copied
from benchmark.quality.diversity import distinct


@dataclass(frozen=True, kw_only=True)
class Written:
    """An output up to its first end of sequence, or a document's true continuation; and the prompt before it."""

    tokens: Sequence[int]
    text: str
    prompt: str = ""


TEXT_METRICS: Mapping[str, Callable[[Written], float | None]] = {
    "distinct_1": lambda written: distinct(written.tokens, 1),
    "compression_ratio": lambda written: compression_ratio(written.text),
    "copied_4": lambda written: copied(written.text, written.prompt),
}
"""By the name that MLflow and tables show behind `quality/` and `human/`. None where a text has no such figure."""


def text_figures(written: Written) -> dict[str, float]:
    """All that the text has."""
    figures = {name: metric(written) for name, metric in TEXT_METRICS.items()}
    return {name: value for name, value in figures.items() if value is not None}
