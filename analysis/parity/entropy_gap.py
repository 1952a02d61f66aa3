"""By how much the texts of two arms differ in entropy: a judge favours the arm whose texts vary less.

An arm's entropy is a mean over its texts in which each has the weight that it has in the metric of quality, such as its
bytes: a text that ended after three tokens cannot be varied, and says as little of the entropy as of the quality.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.special import stdtrit

from analysis.parity.evidence import members
from analysis.parity.quality import Metric
from analysis.statistics.interpolation import ratio, variance_of
from analysis.statistics.intervals import Interval
from crossover.confidence import LEVEL
from crossover.records.record import Measurement
from crossover.records.texts import Score

ENTROPY_BOUND = 0.25
"""Nats by which the arms' entropies may differ before parity by a judge is flagged: 1.28 times the token variety."""
LEAST_CLUSTERS = 2
"""There is no spread in one."""
MOST_NATS = 1e6
"""No text has an entropy of so much: it would overflow."""

Weighted = Mapping[str, tuple[float, float, float]]
"""For each prompt a text's value, its weight, and its entropy times that weight."""


def weighted(scores: Iterable[Score], metric: Metric) -> Weighted:
    """What each text adds to the means of quality and entropy; without those that lack either."""
    known = [(score.prompt_id, metric.part(score), score.entropy_nats) for score in scores]
    return {
        prompt: (part[0], part[1], part[1] * nats)
        for prompt, part, nats in known
        if part is not None and nats is not None and abs(nats) < MOST_NATS
    }


def entropy_gap(baseline: Measurement, other: Measurement, metric: Metric, prompts: Sequence[str]) -> Interval | None:
    """The entropy of the other arm's texts less that of the baseline's, in nats; None where it is unknown.

    Its interval is Student's t over the clusters of prompts, with the linearised error of a ratio of sums.
    """
    arms = [weighted(arm.scores, metric) for arm in (baseline, other)]
    shared = [prompt for prompt in prompts if all(prompt in arm for arm in arms)]
    member_CP = members(baseline.scores, shared)
    clusters = len(member_CP)
    if clusters < LEAST_CLUSTERS:
        return None
    one_1C = np.ones((1, clusters))
    sums_A3C = np.array([[arm[prompt] for prompt in shared] for arm in arms]).transpose(0, 2, 1) @ member_CP.T
    (mean, mean_1C), (other_mean, other_1C) = (ratio(sums_3C[2], sums_3C[1], one_1C) for sums_3C in sums_A3C)
    error = math.sqrt(float(variance_of(other_1C - mean_1C, one_1C)[0]))
    gap, half = float((other_mean - mean)[0, 0]), float(stdtrit(clusters - 1, (1 + LEVEL) / 2)) * error
    return Interval(gap, gap - half, gap + half)
