import math

import pytest

from analysis.parity.quality import BERTSCORE_F1, METRICS, PERPLEXITY
from analysis.statistics.metrics import perplexity
from tests.factories import a_score


def test_a_metric_is_found_by_its_name() -> None:
    assert METRICS == {"perplexity": PERPLEXITY, "bertscore_f1": BERTSCORE_F1}


def test_perplexity_is_the_one_of_the_table() -> None:
    scores = (a_score(nll_nats=10.0, judge_tokens=4), a_score(nll_nats=9.0, judge_tokens=2))
    parts = [part for part in map(PERPLEXITY.part, scores) if part is not None]
    mean = sum(value for value, _ in parts) / sum(weight for _, weight in parts)
    assert PERPLEXITY.shown(mean) == perplexity(scores) == pytest.approx(math.exp(19 / 6))


def test_a_prompt_without_a_score_adds_nothing() -> None:
    assert PERPLEXITY.part(a_score(nll_nats=None, judge_tokens=None)) is None
    assert PERPLEXITY.part(a_score(nll_nats=0.0, judge_tokens=0)) is None
    assert BERTSCORE_F1.part(a_score()) is None


def test_bertscore_is_a_plain_mean() -> None:
    assert BERTSCORE_F1.part(a_score(bertscore_f1=0.5)) == (0.5, 1.0)
    assert BERTSCORE_F1.shown(0.5) == 0.5
