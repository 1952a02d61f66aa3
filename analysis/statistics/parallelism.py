"""Accuracy under parallelism (AUP): the weighted area under accuracy against tokens per forward pass.

As the d3LLM leaderboard defines it (Qian et al., arXiv 2601.07568): points (r_i, y_i) by rising tokens per forward
pass, y in percent; those count whose accuracy is at most 5 points below that of the first. With
W(y) = min(exp(-3 (1 - y / y_max)), 1), y_max the best accuracy that any compared model has,

    AUP = r_1 y_1 + sum over i > 1 of (r_i - r_(i-1)) (y_i W(y_i) + y_(i-1) W(y_(i-1))) / 2.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

PENALTY = 3.0
MOST_LOST = 5.0
"""Points of accuracy that may be lost against the least parallel setting."""
PERCENT = 100.0


def accuracy_under_parallelism(points: Sequence[tuple[float, float]], best: float) -> float:
    """AUP of points of tokens per forward pass and accuracy; accuracies and `best` are shares."""
    ordered = sorted(points)
    least = ordered[0][1] * PERCENT - MOST_LOST
    kept = [(rate, share * PERCENT) for rate, share in ordered if share * PERCENT >= least]
    weighted = [(rate, percent * _weight(percent, best * PERCENT)) for rate, percent in kept]
    area = sum((right - left) * (high + low) / 2 for (left, low), (right, high) in pairwise(weighted))
    return kept[0][0] * kept[0][1] + area


def _weight(percent: float, best: float) -> float:
    return min(math.exp(-PENALTY * (1 - percent / best)), 1.0) if best > 0 else 1.0
