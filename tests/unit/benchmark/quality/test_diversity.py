import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.quality.diversity import distinct, entropy_nats, repetition

outputs = st.lists(st.integers(0, 5), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("tokens", "nats"),
    [
        ([7, 7, 7], 0.0),
        ([1, 2], math.log(2)),
        ([1, 2, 3, 4], math.log(4)),
        ([1, 1, 1, 2], -0.75 * math.log(0.75) - 0.25 * math.log(0.25)),
    ],
)
def test_entropy_is_that_of_the_token_frequencies(tokens: list[int], nats: float) -> None:
    assert entropy_nats(tokens) == pytest.approx(nats)


def test_entropy_of_a_repeated_token_is_not_minus_zero() -> None:
    assert math.copysign(1, entropy_nats([7, 7])) == 1


@given(outputs)
def test_entropy_lies_between_zero_and_the_logarithm_of_the_length(tokens: list[int]) -> None:
    assert 0 <= entropy_nats(tokens) <= math.log(len(tokens)) + 1e-12


@pytest.mark.parametrize(
    ("tokens", "size", "share"),
    [
        ([1, 2, 3], 2, 1.0),
        ([1, 1, 1, 1], 2, 1 / 3),
        ([1, 2, 1, 2, 1], 2, 0.5),
        ([1, 2, 1, 2], 1, 0.5),
        ([1, 2], 2, 1.0),
    ],
)
def test_distinct_is_the_share_of_different_ngrams(tokens: list[int], size: int, share: float) -> None:
    assert distinct(tokens, size) == pytest.approx(share)
    assert repetition(tokens, size) == pytest.approx(1 - share)


def test_an_output_shorter_than_an_ngram_has_no_share() -> None:
    assert distinct([1, 2, 3], 4) is None
    assert repetition([1, 2, 3], 4) is None
