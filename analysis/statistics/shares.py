"""Shares of right answers: how little a sample without differences shows, and McNemar's test of two arms.

Where few answers differ, a bootstrap shows too little spread, and none at all where no answer does. The score interval
of a share knows better (Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat.
Assoc. 22, 1927), as does that of a paired difference (Tango, "Equivalence test and confidence interval for the
difference in proportions for the paired-sample design", Statist. Med. 17, 1998): of n answers without a difference both
reach z^2 / (n + z^2) far. So an error is taken for at least z / (n + z^2), and an interval for at least z errors wide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import NormalDist

from analysis.statistics.arrays import Floats
from crossover.confidence import LEVEL

Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""Standard errors to either side of a normal interval."""
HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """Answers that one arm alone has right, and the exact test of whether that is chance.

    Attributes:
        p: probability of a difference as large or larger where each such answer is either arm's by a fair coin.
    """

    baseline_alone: int
    other_alone: int
    p: float


def least_error(independent: Floats) -> Floats:
    """The least standard error of a share, or of a paired difference of shares, of so many independent answers."""
    error: Floats = Z / (independent + Z**2)
    return error


def mcnemar(baseline: Sequence[float], other: Sequence[float]) -> McNemar:
    """The exact test of two arms' answers to the same questions (McNemar, Psychometrika 12, 1947)."""
    pairs = [(one > HALF, two > HALF) for one, two in zip(baseline, other, strict=True)]
    alone, others = pairs.count((True, False)), pairs.count((False, True))
    count, fewer = alone + others, min(alone, others)
    tail = sum(comb(count, each) for each in range(fewer + 1)) / 2**count
    return McNemar(baseline_alone=alone, other_alone=others, p=min(1.0, 2 * tail))
