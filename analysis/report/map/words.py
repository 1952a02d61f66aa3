"""What break-even says, in sentences."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.parity.break_even import BreakEven
from analysis.report.words.numbers import interval, number
from crossover.records.settings import Weights


def answers(cells: Sequence[BreakEven]) -> list[str]:
    """For each way of computing: the fewest and the most tokens per forward from which on diffusion is faster."""
    by_way: dict[str, list[BreakEven]] = defaultdict(list)
    for each in cells:
        by_way[each.layout.way].append(each)
    return [_answer(way, alike) for way, alike in by_way.items()]


def _answer(way: str, cells: Sequence[BreakEven]) -> str:
    ordered = sorted(cells, key=lambda each: each.tokens.estimate)
    least, most = ordered[0], ordered[-1]
    random = ", random weights" if least.weights is Weights.random else ""
    who = f"{least.diffusion} ({way}{random})"
    if least is most:
        return f"To be faster than {least.baseline}, {who} needs {_needed(least)}."
    return f"To be faster than {least.baseline}, {who} needs from {_needed(least)} to {_needed(most)}."


def _needed(each: BreakEven) -> str:
    figure = interval(each.tokens) if each.has_interval else number(each.tokens.estimate)
    composed = ", composed" if each.is_composed else ""
    beyond = "" if each.is_reachable else f", more than its block of {each.layout.block}"
    return f"{figure} tokens per forward pass at B={each.batch}, N={each.layout.length}{composed}{beyond}"
