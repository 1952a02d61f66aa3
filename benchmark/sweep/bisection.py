"""Find the fewest steps that reach a baseline's quality by bisection over a ladder of steps.

Bisection needs an order: it assumes that quality rises with steps between the rungs that it tries. The rungs that it
tries are measured, and the rung below the answer is always one of them. The rungs that it skips are named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The answer of a search.

    Attributes:
        steps: the fewest steps that reach the baseline; None when not even the highest rung does.
        tried: for each rung that was measured, in ascending order, whether it reaches the baseline.
        skipped: rungs that were not measured.
        contradiction: a measured rung that does not reach the baseline above one that does, if there is one.
    """

    steps: int | None
    tried: tuple[tuple[int, bool], ...]
    skipped: tuple[int, ...]
    contradiction: bool


def next_rung(ladder: Sequence[int], reached: Mapping[int, bool]) -> int | None:
    """The rung to measure next: the middle of those still in question; None when none is.

    `ladder` ascends; `reached` says of each measured rung whether it reaches the baseline.
    """
    low, high = _bracket(ladder, reached)
    if high - low <= 1:
        return None
    return ladder[(low + high) // 2]


def conclude_search(ladder: Sequence[int], reached: Mapping[int, bool]) -> Finding:
    """The answer, once `next_rung` is None."""
    _, high = _bracket(ladder, reached)
    tried = tuple((steps, reached[steps]) for steps in ladder if steps in reached)
    verdicts = [verdict for _, verdict in tried]
    return Finding(
        steps=ladder[high] if high < len(ladder) else None,
        tried=tried,
        skipped=tuple(steps for steps in ladder if steps not in reached),
        contradiction=verdicts != sorted(verdicts),
    )


def _bracket(ladder: Sequence[int], reached: Mapping[int, bool]) -> tuple[int, int]:
    """Indices around the answer: the highest rung below it that fails, and the lowest above that which reaches."""
    high = next((index for index, steps in enumerate(ladder) if reached.get(steps)), len(ladder))
    low = max((index for index, steps in enumerate(ladder[:high]) if reached.get(steps) is False), default=-1)
    return low, high
