"""Readings between two ends, against the plain bootstrap and against sums made by hand."""

import numpy as np
import pytest

from analysis.statistics.arrays import Floats
from analysis.statistics.bootstrap import counts, resample
from analysis.statistics.interpolation import Ends, ratio, read_between, variance_of

GENERATOR = np.random.default_rng(0)
VALUES_EC, WEIGHTS_EC = GENERATOR.normal(3.0, 1.0, (2, 12)), GENERATOR.uniform(1.0, 2.0, (2, 12))
COUNTS_RC = counts(12, 50, 0)


def test_a_ratio_and_its_variance_are_those_of_the_paired_bootstrap() -> None:
    expected = resample(VALUES_EC, WEIGHTS_EC, resamples=50, seed=0)
    for arm in range(2):
        mean_R1, influence_RC = ratio(VALUES_EC[arm], WEIGHTS_EC[arm], COUNTS_RC)
        np.testing.assert_allclose(mean_R1[:, 0], expected.mean_RA[:, arm])
        np.testing.assert_allclose(variance_of(influence_RC, COUNTS_RC), expected.variance_RA[:, arm])


def _reading(entropy_EC: Floats, aim_C: Floats) -> Ends:
    return Ends(
        values_EC=VALUES_EC, entropy_EC=entropy_EC, weights_EC=WEIGHTS_EC, aim_C=aim_C, aim_weights_C=WEIGHTS_EC[0]
    )


def test_where_the_aim_is_an_ends_own_entropy_the_reading_is_that_end_and_only_it_adds_to_the_error() -> None:
    entropy_EC = np.stack([2.0 * WEIGHTS_EC[0], 6.0 * WEIGHTS_EC[1]])
    for end, aim in enumerate((2.0, 6.0)):
        found = read_between(_reading(entropy_EC, aim * WEIGHTS_EC[0]), COUNTS_RC)
        mean_R1, influence_RC = ratio(VALUES_EC[end], WEIGHTS_EC[end], COUNTS_RC)
        assert found.share == pytest.approx(float(end))
        np.testing.assert_allclose(found.value_R, mean_R1[:, 0])
        np.testing.assert_allclose(found.influence_RC, influence_RC, atol=1e-12)


def test_what_a_cluster_adds_is_how_the_reading_moves_with_its_weight() -> None:
    """The influence is a derivative: of the reading, where one cluster is drawn a little more often."""
    entropy_EC = np.stack([GENERATOR.normal(2.0, 0.3, 12), GENERATOR.normal(6.0, 0.3, 12)]) * WEIGHTS_EC
    ends = _reading(entropy_EC, GENERATOR.normal(3.0, 0.3, 12) * WEIGHTS_EC[0])
    once_1C, little = np.ones((1, 12)), 1e-6
    found = read_between(ends, once_1C)
    moved = read_between(ends, once_1C + little * np.eye(12))
    np.testing.assert_allclose(12 * (moved.value_R - found.value_R) / little, found.influence_RC[0], rtol=1e-4)
