import math

import pytest

from analysis.parity.quality import BERTSCORE_F1, BITS_PER_BYTE, METRICS, PERPLEXITY, SAMPLER_BITS_PER_BYTE
from analysis.statistics.metrics import bits_per_byte, perplexity
from tests.factories import a_document, a_measurement, a_score


def test_a_metric_is_found_by_its_name_and_bits_per_byte_come_first() -> None:
    assert {name: metric.name for name, metric in METRICS.items()} == {name: name for name in METRICS}
    assert [*METRICS] == ["bits_per_byte", "perplexity", "sampler_bits_per_byte", "bertscore_f1", "accuracy"]


def test_bits_per_byte_are_those_of_the_table() -> None:
    scores = (a_score(nll_nats=10.0, text_bytes=4), a_score(nll_nats=9.0, text_bytes=12), a_score(text_bytes=0))
    parts = [part for part in map(BITS_PER_BYTE.part, scores) if part is not None]
    assert [weight for _, weight in parts] == [4, 12]
    assert sum(value for value, _ in parts) / 16 == bits_per_byte(scores) == pytest.approx(19 / math.log(2) / 16)


def test_the_sampler_is_read_off_the_documents_and_not_off_the_outputs() -> None:
    documents = (a_document(sampler_nats=math.log(2) * 30), a_document(prompt_id="b", sampler_nats=None))
    measured = a_measurement(likelihood=documents, human=(a_score(text_bytes=4),))
    parts = SAMPLER_BITS_PER_BYTE.parts(measured)
    assert parts["a"] == pytest.approx((30, 10))
    assert parts["b"] is None
    assert SAMPLER_BITS_PER_BYTE.human(measured) is None


def test_the_human_line_is_the_metric_of_the_true_continuations() -> None:
    human = (a_score(nll_nats=math.log(2) * 8, judge_tokens=4, text_bytes=4), a_score(nll_nats=None, judge_tokens=None))
    measured = a_measurement(human=human)
    assert BITS_PER_BYTE.human(measured) == pytest.approx(2.0)
    assert PERPLEXITY.human(measured) == pytest.approx(4.0)
    assert BITS_PER_BYTE.human(a_measurement()) is None


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
