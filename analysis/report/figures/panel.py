"""The data of one (B, N) for the figures of quality."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.parity.parity import Parity
from analysis.statistics.intervals import Interval

MOST_PANELS = 12
"""Panels of one figure of quality: what still fits a page. Only they need an entropy."""


@dataclass(frozen=True, kw_only=True)
class Entropy:
    """Entropy of the outputs' tokens, in nats: at each number of steps, the baseline's, the true continuations'."""

    steps: tuple[int, ...]
    values: tuple[Interval, ...]
    baseline: Interval
    human: float | None = None


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Forward passes of one generation at each number of steps and of the baseline, and the tokens of a sequence."""

    ladder: tuple[int, ...]
    baseline: int
    output_tokens: int


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One metric's parity at one (B, N).

    Attributes:
        setting: other settings that tell panels apart, or empty.
        is_in_fronts: fronts over several temperatures answer the question better.
        passes: None where a figure does not need them.
    """

    parity: Parity
    setting: str
    entropy: Entropy | None
    is_in_fronts: bool = False
    passes: Passes | None = None

    @property
    def title(self) -> str:
        """Batch, length and setting."""
        return f"B = {self.parity.batch}, N = {self.parity.length}" + (f", {self.setting}" if self.setting else "")


def triple(interval: Interval) -> tuple[float, float, float]:
    """Estimate, low, high; an interval that the data do not bound is drawn without a bar."""
    if not math.isfinite(interval.estimate):
        return math.nan, math.nan, math.nan
    low, high = drawn_ends([interval])
    return interval.estimate, low, high


def drawn_ends(intervals: Sequence[Interval]) -> list[float]:
    """The ends of the intervals as they are drawn."""
    known = [each for each in intervals if math.isfinite(each.estimate)]
    return [end for each in known for end in ((each.low, each.high) if each.is_bounded else (each.estimate,) * 2)]


def span(values: Sequence[float]) -> float:
    """The ratio of the largest to the smallest of positive values; 1 of none, infinite from 0 on."""
    if not values:
        return 1.0
    return max(values) / min(values) if min(values) > 0 else math.inf


def about_human(shown: Sequence[Panel]) -> str:
    """A sentence of the caption where a panel has a human line."""
    if all(panel.parity.human is None for panel in shown):
        return ""
    return " The dotted line is the judge's figure for the documents' true continuations."


def about_disturbed(shown: Sequence[Panel], *, times: bool = True) -> str:
    """A sentence of the caption where runs were not timed on a clean machine, in a figure with times or without."""
    arms = sum(len(panel.parity.disturbed) for panel in shown)
    if not arms:
        return ""
    return (
        f" {arms} of the runs shown were not timed on a clean machine"
        f"{', and have a grey circle around them' if times else '; quality does not depend on it'}."
    )
