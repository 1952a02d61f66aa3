"""The gap in entropy between two arms, against Student's paired t and against means made by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from analysis.parity.entropy_gap import entropy_gap
from analysis.parity.quality import BITS_PER_BYTE
from crossover.records.record import Measurement
from tests.factories import a_measurement, a_score

NATS = np.random.default_rng(0).normal(4.0, 0.3, (2, 10))
PROMPTS = [f"p{index}" for index in range(10)]


def an_arm(nats: Sequence[float | None], sizes: Sequence[int] | None = None) -> Measurement:
    """Texts of these entropies and bytes, all of one length unless told."""
    sizes = sizes or [20] * len(nats)
    return a_measurement(
        scores=tuple(
            a_score(prompt_id=prompt, entropy_nats=each, text_bytes=size, nll_nats=8.0)
            for prompt, each, size in zip(PROMPTS, nats, sizes, strict=False)
        )
    )


def test_of_texts_of_one_length_it_is_students_t_of_the_paired_differences() -> None:
    gap = entropy_gap(an_arm(NATS[0].tolist()), an_arm(NATS[1].tolist()), BITS_PER_BYTE, PROMPTS)
    expected = stats.ttest_rel(NATS[1], NATS[0]).confidence_interval(0.95)
    assert gap is not None
    assert gap.estimate == pytest.approx(float(np.mean(NATS[1] - NATS[0])))
    assert (gap.low, gap.high) == pytest.approx((expected.low, expected.high))


def test_a_text_counts_by_its_bytes_and_one_without_entropy_does_not() -> None:
    one, other = an_arm([3.0, 5.0, 9.0], [10, 30, 10]), an_arm([4.0, 4.0, None], [30, 10, 10])
    gap = entropy_gap(one, other, BITS_PER_BYTE, PROMPTS[:3])
    assert gap is not None
    assert gap.estimate == pytest.approx(4.0 - (10 * 3.0 + 30 * 5.0) / 40)


def test_one_text_has_no_gap() -> None:
    assert entropy_gap(an_arm([3.0, 4.0]), an_arm([4.0, None]), BITS_PER_BYTE, PROMPTS[:2]) is None
