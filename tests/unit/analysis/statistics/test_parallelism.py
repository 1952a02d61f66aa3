import math

import pytest

from analysis.statistics.parallelism import accuracy_under_parallelism


def test_one_point_is_its_accuracy_in_percent_times_its_parallelism() -> None:
    assert accuracy_under_parallelism([(1.0, 0.5)], best=0.8) == pytest.approx(50.0)


def test_parallelism_without_loss_is_the_area_below_it() -> None:
    assert accuracy_under_parallelism([(1.0, 0.5), (4.0, 0.5)], best=0.5) == pytest.approx(200.0)


def test_accuracy_below_the_best_weighs_less() -> None:
    found = accuracy_under_parallelism([(2.0, 0.48), (1.0, 0.5)], best=0.5)
    assert found == pytest.approx(50 + (50 + 48 * math.exp(-3 * (1 - 48 / 50))) / 2)


def test_what_loses_more_than_five_points_does_not_count() -> None:
    assert accuracy_under_parallelism([(1.0, 0.5), (8.0, 0.44)], best=0.5) == pytest.approx(50.0)


def test_what_loses_just_five_points_counts() -> None:
    assert accuracy_under_parallelism([(1.0, 0.75), (3.0, 0.70)], best=0.75) > 75.0


def test_nothing_right_is_nothing() -> None:
    assert accuracy_under_parallelism([(1.0, 0.0), (2.0, 0.0)], best=0.0) == 0.0
