import pytest

from benchmark.quality.compression import compression_ratio
from benchmark.quality.copying import copied
from benchmark.quality.text_metrics import TEXT_METRICS, Written, text_figures
from tests.paths import ROOT


def test_a_text_has_the_figure_of_each_row() -> None:
    figures = text_figures(Written(tokens=[3, 3, 4, 5], text="a b c d", prompt="e a b c d"))
    assert figures.keys() == TEXT_METRICS.keys()
    assert figures["distinct_1"] == 3 / 4


def test_a_text_without_tokens_has_none_of_them() -> None:
    assert text_figures(Written(tokens=[], text="")) == {}


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_the_documentation_defines_each(name: str) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert f"`quality/{name}`" in page
    assert f"`human/{name}`" in page


def test_a_text_that_repeats_itself_is_compressed_further() -> None:
    varied = "Jackdaws love my big sphinx of quartz; pack my box with five dozen liquor jugs."
    short, long, repeated = (compression_ratio(text) or 0.0 for text in ("é", varied, varied[:20] * 4))
    assert short == 2 / 10  # two bytes of text, and eight more of DEFLATE's own
    assert short < long < 1.1
    assert repeated > 2


def test_runs_of_words_that_the_prompt_has_are_copied() -> None:
    prompt = "it is a truth universally acknowledged"
    assert copied("is a truth universally", prompt) == 1
    assert copied("so it is a truth universally known", prompt) == 2 / 4
    assert copied("of a good fortune", prompt) == 0
    assert (copied("too short it", prompt), copied("it is a truth", "no run")) == (None, None)
