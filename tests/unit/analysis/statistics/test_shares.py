import numpy as np
import pytest

from analysis.statistics.shares import Z, least_error, mcnemar


def test_the_exact_test_reads_only_the_answers_that_differ() -> None:
    found = mcnemar([1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1, 0])
    assert (found.baseline_alone, found.other_alone) == (6, 1)
    assert found.p == pytest.approx(2 * (1 + 7) / 2**7)


def test_answers_that_do_not_differ_say_nothing() -> None:
    assert mcnemar([1, 0, 1], [1, 0, 1]).p == 1.0


def test_equal_numbers_of_differing_answers_are_no_evidence() -> None:
    assert mcnemar([1, 0], [0, 1]).p == 1.0


def test_the_least_error_makes_the_score_interval_of_answers_that_are_all_right() -> None:
    assert 1 - Z * least_error(np.array(16.0)) == pytest.approx(16 / (16 + Z**2)), "Wilson's lower end of 16 of 16"
