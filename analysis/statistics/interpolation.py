"""Means read where another mean has a given value: quality where the entropy is that of the human line.

Each arm is known at two temperatures, whose entropies lie on either side of the aim. Its quality there lies on the
straight line between the two. Quality, entropy and aim are means over the same prompts, so that one paired bootstrap
draws all three. The standard error of what is read, in the sample and in each resample, is the linearised one: what a
cluster of prompts adds to the quality at both ends, to the entropy at both ends, and to the aim.

Dimensions: R resamples, the first of them the sample itself; E the two ends; C clusters.
"""

from dataclasses import dataclass

from analysis.statistics.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class Ends:
    """The sums over each cluster of values, of entropies and of their weights, at both ends and of the aim."""

    values_EC: Floats
    entropy_EC: Floats
    weights_EC: Floats
    aim_C: Floats
    aim_weights_C: Floats


@dataclass(frozen=True, kw_only=True)
class Interpolated:
    """What was read in each resample, and what each cluster adds to it there: its influence."""

    value_R: Floats
    influence_RC: Floats
    share: float
    """Of the way from the first end to the second, in the sample."""


def read_between(ends: Ends, counts_RC: Floats) -> Interpolated:
    """The value on the line through both ends, where its entropy is the aim, in each resample."""
    first, first_RC = ratio(ends.values_EC[0], ends.weights_EC[0], counts_RC)
    last, last_RC = ratio(ends.values_EC[1], ends.weights_EC[1], counts_RC)
    low, low_RC = ratio(ends.entropy_EC[0], ends.weights_EC[0], counts_RC)
    high, high_RC = ratio(ends.entropy_EC[1], ends.weights_EC[1], counts_RC)
    aim, aim_RC = ratio(ends.aim_C, ends.aim_weights_C, counts_RC)
    share_R1 = (aim - low) / (high - low)
    slope_R1 = (last - first) / (high - low)
    along_RC = aim_RC - (1 - share_R1) * low_RC - share_R1 * high_RC
    influence_RC = (1 - share_R1) * first_RC + share_R1 * last_RC + slope_R1 * along_RC
    value_R1 = first + share_R1 * (last - first)
    return Interpolated(value_R=value_R1[:, 0], influence_RC=influence_RC, share=float(share_R1[0, 0]))


def variance_of(influence_RC: Floats, counts_RC: Floats) -> Floats:
    """Of a mean, in each resample, from what each cluster adds to it."""
    clusters = influence_RC.shape[1]
    variance_R: Floats = (counts_RC * influence_RC**2).sum(axis=1) / (clusters * (clusters - 1))
    return variance_R


def ratio(values_C: Floats, weights_C: Floats, counts_RC: Floats) -> tuple[Floats, Floats]:
    """A ratio of sums in each resample, as a column, and what each cluster adds to it."""
    total_R1 = (counts_RC @ weights_C)[:, None]
    mean_R1 = (counts_RC @ values_C)[:, None] / total_R1
    return mean_R1, (values_C - mean_R1 * weights_C) * (len(values_C) / total_R1)
