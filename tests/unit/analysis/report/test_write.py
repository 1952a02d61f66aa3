from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis.report import write as report
from analysis.report.page import render
from analysis.report.study import Study
from analysis.report.write import drawers, write_report
from crossover.records.machine import Verdict, Watched
from tests.factories import a_failed_record, an_autoregressive_run, an_environment
from tests.studies import a_study, a_sweep


class Page(HTMLParser):
    """Tags with their attributes, headings, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def page_of(study: Study, folder: Path, *rejected: str) -> Page:
    return Page(write_report(study, rejected, folder).page.read_text(encoding="utf-8"))


def test_the_page_needs_nothing_but_itself(tmp_path: Path) -> None:
    page = page_of(a_study(), tmp_path)
    assert not page.all("script")
    assert not page.all("link")
    for attributes in (attributes for _, attributes in page.tags):
        for name in ("src", "href"):
            address = attributes.get(name) or "#"
            assert address.startswith(("data:image/svg+xml;base64,", "#")), address


def test_every_picture_says_what_it_shows_and_every_link_leads_somewhere(tmp_path: Path) -> None:
    page = page_of(a_study(), tmp_path)
    assert len(page.all("img")) == 6
    assert all(len(picture["alt"] or "") > 40 for picture in page.all("img"))
    anchors = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {(link["href"] or "")[1:] for link in page.all("a")} <= anchors
    assert len(page.all("h1")) == 1
    assert len(page.all("caption")) == len(page.all("table")) > 1
    assert {heading.get("scope") for heading in page.all("th")} == {"col", "row"}


def test_a_remark_has_a_row_of_its_own_so_that_no_screen_cuts_it(tmp_path: Path) -> None:
    disturbed = Watched(verdict=Verdict.disturbed, labelled=(), why="CPU busy")
    records = a_sweep()
    assert records[1].measurement is not None
    records[1] = replace(records[1], measurement=replace(records[1].measurement, watched=disturbed))
    page = page_of(a_study(records), tmp_path)
    assert "remark" in {row.get("class") for row in page.all("tr")}
    assert {cell.get("colspan") for cell in page.all("td")} - {None}
    assert "remarks" not in page.text


def test_the_answer_comes_first(tmp_path: Path) -> None:
    text = page_of(a_study(), tmp_path).text
    assert "At B=1, N=16 small reaches causal's generative perplexity at K=4" in text
    assert text.index("At B=1, N=16") < text.index("Figures\n") < text.index("Controls\n")


def test_what_was_left_out_is_named_and_its_letters_are_harmless(tmp_path: Path) -> None:
    records = [*a_sweep(), a_failed_record(message="<b>too much</b>")]
    page = page_of(a_study(records), tmp_path, "stray.json: not a record of schema 1")
    assert "<b>too much</b>" in page.text
    assert not page.all("b")
    assert "not read: stray.json" in page.text


def test_runs_that_were_left_out_for_one_reason_are_one_line() -> None:
    records = [
        *a_sweep(),
        a_failed_record(message="too much"),
        a_failed_record(an_autoregressive_run(), message="too much"),
    ]
    text = Page(render(a_study(records), [], [], [])).text
    assert "2 runs: out of memory: too much (small K=4 B=2 N=16 and causal B=2 N=16)" in text
    assert "2 runs or files entered no comparison" in text


def test_runs_of_another_gpu_are_no_part_of_the_same_figures(tmp_path: Path) -> None:
    elsewhere = a_sweep(batches=(1,), environment=replace(an_environment(), gpu="another"))
    text = page_of(a_study([*a_sweep(), *elsewhere]), tmp_path).text
    assert "8 of 12" in text
    assert "gpu=another" in text


def test_without_a_pair_the_page_says_what_is_missing(tmp_path: Path) -> None:
    alone = [record for record in a_sweep() if record.run.diffusion is None]
    assert "Quality is not compared here" in page_of(a_study(alone), tmp_path).text


def test_figures_and_tables_lie_beside_the_page(tmp_path: Path) -> None:
    written = write_report(a_study(), [], tmp_path)
    assert {*written.files, written.page} == {*tmp_path.iterdir()}
    assert {file.suffix for file in written.files} == {".svg", ".png", ".csv", ".md", ".tex"}


@pytest.mark.process
def test_other_processes_draw_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = write_report(a_study(), [], tmp_path / "here").page.read_bytes()
    monkeypatch.setattr(report, "MANY", 1)
    with drawers(1) as pool:
        assert pool is not None
        assert write_report(a_study(), [], tmp_path / "there", pool=pool).page.read_bytes() == here


def test_documents_that_follow_from_the_batch_do_not_part_the_figures() -> None:
    records = []
    for record in a_sweep(batches=(1, 8)):
        assert record.measurement is not None
        measured = replace(record.measurement, prompts_digest=f"of batch {record.run.batch}")
        records.append(replace(record, measurement=measured))
    study = a_study(records)
    assert len(study.alike) == len(study.points) == 8
    assert [panel.setting for panel in study.panels["perplexity"]] == ["", ""]
