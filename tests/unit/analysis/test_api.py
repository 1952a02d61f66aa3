import re
from pathlib import Path

import pytest

import crossover
from crossover.errors import UserError
from tests.paths import ROOT
from tests.studies import a_sweep


def test_a_frame_has_a_row_a_record_and_its_metrics() -> None:
    records = a_sweep()
    frame = crossover.frame(records)
    assert len(frame) == len(records)
    assert frame["batch"].tolist() == [record.run.batch for record in records]
    assert frame["latency/e2e_s"].gt(0).all()


def test_answers_are_sentences_of_the_report() -> None:
    sentences = crossover.answers(a_sweep(), metric="perplexity")
    assert len(sentences) == 2
    assert all("small" in sentence for sentence in sentences)
    with pytest.raises(UserError, match="'perplexty' is unknown: give one of bits_per_byte"):
        crossover.answers(a_sweep(), metric="perplexty")


def test_a_figure_by_its_name_is_shown_and_saved(tmp_path: Path) -> None:
    drawing = crossover.figure("quality", a_sweep(), metric="perplexity")
    assert drawing._repr_png_().startswith(b"\x89PNG")
    folder = tmp_path / "figures" / "of today"
    assert drawing.save(str(folder)).name == "quality-perplexity"
    assert sorted(file.suffix for file in folder.iterdir()) == [".png", ".svg"]
    assert crossover.figure("scaling", a_sweep()).name == "latency-throughput"


@pytest.mark.parametrize(("name", "said"), [("qality", "there is no figure 'qality'"), ("bound", "nothing to draw")])
def test_a_figure_that_cannot_be_drawn_is_refused(name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        crossover.figure(name, a_sweep())


def test_records_load_from_folders_and_files(tmp_path: Path) -> None:
    first, second, *_ = a_sweep()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "a.json").write_text(first.to_json(), encoding="utf-8")
    (tmp_path / "b.json").write_text(second.to_json(), encoding="utf-8")
    assert crossover.load(tmp_path, tmp_path / "b.json") == [first, second]
    with pytest.raises(UserError, match="does not exist"):
        crossover.load(tmp_path / "nowhere")


def test_what_the_package_does_not_offer_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'crossover' has no attribute 'walk'"):
        crossover.walk  # noqa: B018


def test_the_lines_of_the_page_do_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(crossover, "run", lambda _: a_sweep(), raising=False)
    monkeypatch.setattr(crossover, "load", lambda *_: a_sweep(), raising=False)
    names: dict[str, object] = {"crossover": crossover}
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert names["slow"], "the last line reads a sample of the first of them"
    assert sorted(file.suffix for file in (tmp_path / "figures").iterdir()) == [".png", ".svg"]
