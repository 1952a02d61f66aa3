"""A model that copies its prompt pleases a judge, at any entropy: that is no parity."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.parity.comparability import Pairing, group
from analysis.parity.quality import BERTSCORE_F1, PERPLEXITY
from analysis.parity.steps_to_parity import find_parity
from analysis.report.first_screen.verdict import verdicts
from crossover.records.record import Record
from tests.simulation import Truth, simulate


def with_copies(record: Record, share: float, authors: float | None = None) -> Record:
    assert record.measurement is not None
    scores = tuple(replace(score, figures={"copied_4": share}) for score in record.measurement.scores)
    human = () if authors is None else tuple(replace(score, figures={"copied_4": authors}) for score in scores)
    return replace(record, measurement=replace(record.measurement, scores=scores, human=human))


def pairing(share: float, baseline: float = 0.1, authors: float | None = None) -> Pairing:
    """K=32 reaches the baseline, and copies so much."""
    truth = Truth(rate={16: 5.0, 32: 2.0}, baseline_rate=3.0, prompts=16)
    (every,) = group(simulate(truth, np.random.default_rng(0))).pairings
    return replace(
        every,
        baseline=with_copies(every.baseline, baseline, authors),
        by_steps={16: with_copies(every.by_steps[16], 0.1), 32: with_copies(every.by_steps[32], share)},
    )


def test_a_k_that_copies_is_named_and_its_parity_is_not_counted() -> None:
    parity = find_parity(pairing(0.9), PERPLEXITY)
    assert (parity.first_steps, parity.copying, parity.is_of_copies) == (32, ("K=32",), True)
    assert (
        "texts of K=32 copy 90% of their runs of 4 words from their prompts, the baseline and the authors at most 10%:"
        " the judge misleads"
    ) in parity.flags
    (told,) = verdicts([(parity, "")])
    assert told.endswith("but they copy their prompts.")


@pytest.mark.parametrize(("baseline", "authors"), [(0.7, None), (0.1, 0.7)])
def test_as_much_as_the_baseline_or_the_authors_is_no_copying(baseline: float, authors: float | None) -> None:
    assert not find_parity(pairing(0.9, baseline, authors), PERPLEXITY).is_of_copies


def test_a_metric_that_does_not_reward_it_says_nothing() -> None:
    assert find_parity(pairing(0.9), BERTSCORE_F1).copying == ()
