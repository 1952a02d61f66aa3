import pytest

from benchmark.quality.compression import compression_ratio
from benchmark.quality.text_metrics import TEXT_METRICS, Written, text_figures
from tests.paths import ROOT


def test_a_text_has_the_figure_of_each_row() -> None:
    figures = text_figures(Written(tokens=[3, 3, 4, 5], text="ab" * 100))
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
