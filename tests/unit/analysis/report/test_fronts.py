"""What report and terminal say of sweeps over temperatures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.parity.quality import METRICS
from analysis.report.answers import answers, disagreements_of, parity_rows
from analysis.report.figures.entropy_front import draw_fronts
from analysis.report.front_table import front_table
from analysis.report.parity_table import parity_table
from analysis.report.study import Study, study
from analysis.report.tables import as_csv
from analysis.report.words.parity import answer
from analysis.report.write import all_tables, write_report
from analysis.statistics.intervals import Interval
from tests.simulated_fronts import FrontTruth, line, simulate_fronts
from tests.studies import a_parity

AROUND, BELOW = (3.7, 3.85, 4.0, 4.1), (3.1, 3.3, 3.5, 3.6)


def studied(ladder: dict[int, float], entropies: tuple[float, ...] = AROUND) -> Study:
    truth = FrontTruth(baseline=(line(1.5), AROUND), ladder={k: (line(bits), entropies) for k, bits in ladder.items()})
    metrics = [METRICS["bits_per_byte"], METRICS["sampler_bits_per_byte"]]
    return study(simulate_fronts(truth, np.random.default_rng(0)), metrics=metrics)


@pytest.fixture(scope="module")
def reached() -> Study:
    return studied({16: 2.5, 32: 0.5})


def test_where_there_are_fronts_the_answer_is_theirs(reached: Study) -> None:
    (said,) = answers(reached)
    assert said.sentence.startswith(
        "At B=2, N=16 small reaches causal's bits per byte under the judge at the authors' entropy of 3.9"
    )
    assert "There small has " in said.sentence
    assert "the authors' text 1.5" in said.sentence
    assert "equal entropy; sweep=front" not in said.sentence
    assert [panel.is_in_fronts for panel in reached.panels["bits_per_byte"]] == [True] * 4
    assert disagreements_of(reached) == []


def test_of_a_k_that_was_not_read_nothing_is_claimed() -> None:
    truth = FrontTruth(baseline=(line(1.5), AROUND), ladder={8: (line(0.5), BELOW), 16: (line(2.5), AROUND)})
    records = simulate_fronts(truth, np.random.default_rng(0))
    (said,) = answers(study(records, metrics=[METRICS["bits_per_byte"]]))
    assert "every K that was read there falls short" in said.sentence
    assert "Left out, since no two temperatures have entropies around the authors': K=8." in said.remarks


def test_fronts_that_do_not_meet_are_an_answer() -> None:
    (said,) = answers(studied({16: 0.5}, BELOW))
    assert "there is no parity by bits per byte under the judge between the fronts of small and causal" in said.sentence
    assert "of small at every K, no two temperatures have entropies around the 3.9" in said.sentence
    assert "text (K=16: 3.09 to 3.60 at T=1, 1.3, 1.8, 2.8)." in said.sentence


def test_the_tables_show_fronts_first_and_a_row_at_each_temperature_after_them(reached: Study) -> None:
    fronts, parity, *_ = all_tables(reached)
    assert [row[2] for row in fronts.rows] == ["causal", "small", "small", "authors"]
    assert "authors' entropy" in fronts.headings[-2]
    assert len(fronts.raw) == 3 * 4
    assert as_csv(fronts).splitlines()[0].startswith("batch,length,setting,metric,model,steps,temperature,entropy_nats")
    settings = [row[parity.headings.index("setting")] for row in parity.rows]
    assert settings == ["fronts at the authors' entropy", *(f"temperature={each}" for each in (1.0, 1.3, 1.8, 2.8))]
    assert parity.raw[0]["at_entropy_nats"] == pytest.approx(3.92, abs=0.1)


def test_the_figure_has_a_line_for_each_arm_and_the_authors_star(reached: Study) -> None:
    drawing = draw_fronts(reached.fronts)
    assert drawing is not None
    (axes,) = drawing.figure.axes
    labels = {text.get_text() for text in drawing.figure.legends[0].get_texts()}
    assert labels == {"causal", "small K=16", "small K=32", "true continuations"}
    assert {"T=1", "T=1.3", "T=1.8", "T=2.8"} == {text.get_text() for text in axes.texts}
    assert drawing.alt == answers(reached)[0].sentence
    assert draw_fronts([]) is None


def test_the_page_shows_it_and_files_lie_beside_it(reached: Study, tmp_path: Path) -> None:
    written = write_report(reached, [], tmp_path)
    assert {"fronts.csv", "fronts.tex", "entropy-bits_per_byte.svg"} <= {file.name for file in written.files}
    page = written.page.read_text(encoding="utf-8")
    assert page.index("Bits per byte under the judge against entropy") < page.index("against steps")


def test_at_one_temperature_the_answer_says_by_how_much_the_entropies_differ() -> None:
    alone = replace(studied({16: 1.5}, BELOW), fronts=())
    panels = {name: tuple(replace(each, is_in_fronts=False) for each in of) for name, of in alone.panels.items()}
    told = replace(alone, panels=panels)
    sentence = answers(told)[0].sentence
    assert "The texts are not equally varied: at K=16 the entropy of small's texts is 0." in sentence
    assert "nats below the baseline's, which the judge rewards. So this is no parity at equal entropy" in sentence
    (row, *_) = parity_table(parity_rows(told)).rows
    assert row[parity_table(parity_rows(told)).headings.index("entropy gap")].startswith("-0.")


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (Interval(0.4, 0.3, 0.5), "is 0.400 [0.300, 0.500] nats above the baseline's, which the judge punishes."),
        (Interval(-0.1, -0.2, -0.05), "At K=4 the entropy of small's texts is 0.100 [0.0500, 0.200] nats below"),
        (Interval(0.1, -0.1, 0.3), "At K=4 the entropy of small's texts differs by 0.100 [-0.100, 0.300] nats from"),
        (
            Interval(-0.4, -0.9, 0.1),
            "differs by -0.400 [-0.900, 0.100] nats from the baseline's, which the judge rewards",
        ),
    ],
)
def test_a_gap_of_entropies_is_told_with_its_interval(gap: Interval, said: str) -> None:
    assert said in answer(a_parity(entropy_gap=gap))


def test_a_table_of_one_metric_names_it_in_the_title(reached: Study) -> None:
    table = front_table([(each.fronts, each.setting) for each in reached.fronts])
    assert table.title == "Fronts over temperature: Bits per byte under the judge"
    assert "metric" not in table.headings
