"""Numbers and lists in words."""

import math
from collections.abc import Sequence

from analysis.statistics.intervals import Interval

THOUSAND = 1000
TRILLION = 1e12
LARGE = 10_000
"""From which a perplexity has no decimals."""
MIB, GIB = 2**20, 2**30
UNBOUNDED = "∞"
"""The end of an interval that the data do not bound."""


def ratio(value: float) -> str:
    """Three significant digits below 1, two above."""
    if math.isinf(value):
        return UNBOUNDED
    return f"{value:#.2g}" if value < 1 else f"{value:#.3g}".rstrip(".")


def ratio_interval(interval: Interval) -> str:
    """A ratio with its interval."""
    return f"{ratio(interval.estimate)} [{ratio(interval.low)}, {ratio(interval.high)}]"


def number(value: float) -> str:
    """Three significant digits; whole numbers from a thousand to a trillion, with commas."""
    if math.isinf(value):
        return UNBOUNDED if value > 0 else f"-{UNBOUNDED}"
    value += 0.0  # which makes -0 a 0
    if abs(value) >= TRILLION:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= THOUSAND else f"{value:#.3g}".rstrip(".")


def perplexity(value: float) -> str:
    """One decimal; none from ten thousand on."""
    return f"{value:.1f}" if value < LARGE else number(value)


def interval(interval: Interval) -> str:
    """Estimate with its interval; infinity alone where it is more than a number can hold."""
    if math.isinf(interval.estimate):
        return number(interval.estimate)
    return f"{number(interval.estimate)} [{number(interval.low)}, {number(interval.high)}]"


def inside(label: str) -> str:
    """A label within a sentence: without its capital, unless it is a name such as BERTScore."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def listed(items: Sequence[object]) -> str:
    """a, b and c."""
    words = [str(item) for item in items]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def first_listed(items: Sequence[object], most: int) -> str:
    """a, b and 3 more: as many as `most` of them, and how many are left."""
    rest = len(items) - most
    return listed([*items[:most], f"{rest} more"] if rest > 0 else items)
