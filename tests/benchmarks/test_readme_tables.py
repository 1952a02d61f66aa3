import numpy as np
import pytest

from analysis.parity.quality import METRICS
from analysis.report.study import study
from tests.benchmarks.readme_tables import FRONTS, JUDGED, PAGES, SAMPLER, between, judged, of_sampler
from tests.simulated_fronts import FrontTruth, line, simulate_fronts
from tests.studies import a_panel, a_parity


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    text = "before\n<!-- fronts -->\nold\n<!-- end -->\nafter <!-- end -->"
    assert between(text, "fronts", ["new", "lines"]) == (
        "before\n<!-- fronts -->\n\nnew\nlines\n\n<!-- end -->\nafter <!-- end -->"
    )
    with pytest.raises(AssertionError, match="no marker"):
        between(text, "else", [])


@pytest.mark.parametrize("name", [JUDGED, SAMPLER, FRONTS])
def test_the_page_has_every_marker(name: str) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    assert between(text, name, ["a line"]) != text


def test_a_row_has_the_figures_of_its_parity() -> None:
    truth = FrontTruth(baseline=(line(1.5), (3.9,)), ladder={16: (line(2.5), (3.6,)), 32: (line(0.5), (3.6,))})
    records = simulate_fronts(truth, np.random.default_rng(0))
    analysed = study(records, metrics=[METRICS["bits_per_byte"], METRICS["perplexity"]])
    head, rule, bits, perplexity = judged(analysed)
    assert head.count("|") == rule.count("|") == bits.count("|") == 7
    assert "| bits per byte | 1.4" in bits
    assert "| perplexity |" in perplexity
    assert "-0.3" in bits


def test_the_samplers_table_has_the_ladder() -> None:
    analysed = study([], metrics=[])
    parity = a_parity(metric="sampler_bits_per_byte")
    analysed.panels["sampler_bits_per_byte"] = (a_panel(parity),)
    row = of_sampler(analysed)[-1]
    assert "30.00 at 2, 19.00 at 4, 15.00 at 8 | 4 [4, 8] | 1.30 [1.20, 1.40] |" in row
