"""The page for readers with a telephone, a keyboard, a screen reader, a dark screen, paper."""

import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import pytest

from analysis.report.figures.style import Picture
from analysis.report.page import render
from analysis.report.write import all_tables
from tests.contrast import AA, contrast, luminance
from tests.factories import a_failed_record
from tests.studies import a_study, a_sweep

STYLE = files("analysis.report").joinpath("templates", "report.css").read_text(encoding="utf-8")
VOID = {"meta", "img", "br"}
LEAST_POINTS = 7
"""Of the smallest letters in figures."""


class Tree(HTMLParser):
    """Each tag with its attributes and the tags around it; all ends must fit."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None], tuple[str, ...]]] = []
        self.around: list[str] = []
        self.text_of: dict[str, str] = {}
        self.feed(text)
        assert not self.around

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs), tuple(self.around)))
        if tag not in VOID:
            self.around.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.around.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self.around:
            self.text_of[tag] = self.text_of.get(tag, "") + data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes, _ in self.tags if tag == name]


@pytest.fixture(scope="module")
def page() -> Tree:
    study = a_study([*a_sweep(batches=(1, 8)), a_failed_record()])
    picture = Picture(name="memory", title="Memory", caption="All of it.", alt="Bytes.", width_in=4, svg="<svg/>")
    return Tree(render(study, [picture], all_tables(study), ["stray.json: no record"]))


def test_language_title_and_landmarks_are_there(page: Tree) -> None:
    assert page.all("html")[0]["lang"] == "en"
    assert "Crossover report" in page.text_of["title"]
    for landmark in ("main", "header", "nav"):
        assert len(page.all(landmark)) == 1, landmark
    assert page.all("nav")[0]["aria-label"]


def test_no_heading_skips_a_level(page: Tree) -> None:
    levels = [int(tag[1]) for tag, _, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_section_and_every_part_that_scrolls_has_a_name(page: Tree) -> None:
    names = {attributes["id"] for _, attributes, _ in page.tags if "id" in attributes}
    assert len(names) == sum("id" in attributes for _, attributes, _ in page.tags), "an id stands twice"
    for tag, attributes, _ in page.tags:
        if tag == "section" or "tabindex" in attributes:
            assert attributes.get("aria-label") or attributes["aria-labelledby"] in names, attributes
    assert {attributes["tabindex"] for _, attributes, _ in page.tags if "tabindex" in attributes} == {"0"}


def test_every_table_has_a_caption_scopes_and_scrolls_by_itself(page: Tree) -> None:
    tables = [around for tag, _, around in page.tags if tag == "table"]
    assert len(tables) == len(page.all("caption")) >= 4
    assert all("div" in around for around in tables)
    assert {heading.get("scope") for heading in page.all("th")} == {"col", "row"}
    boxes = {attributes.get("class") for _, attributes, _ in page.tags if "tabindex" in attributes}
    assert boxes == {"across", "scroll", "sheet"}
    for box in boxes:
        assert re.search(rf"\.{box} {{[^}}]*overflow(-x)?: auto", STYLE), box


def test_the_first_screen_stands_before_all_else(page: Tree) -> None:
    text = page.text_of["main"]
    parts = ["small against causal", "runs, ", "Answer", "must write to be faster", "How sure", "Each comparison"]
    at = [text.rindex(part, 0, text.index("At how many steps")) for part in parts]
    assert at == sorted(at)


def test_letters_of_figures_on_a_telephone_are_nine_pixels_high() -> None:
    """Its width is `--wide`, 8 rem an inch, times a factor: narrower than that it scrolls."""
    narrow = STYLE[STYLE.index("@media (max-width") : STYLE.index("@media print")]
    found = re.search(r"\.sheet img {\s*width: max\(100%, (\.\d+) \* var\(--wide\)\)", narrow)
    assert found
    pixels_an_inch = float(found[1]) * 8 * 16
    assert pixels_an_inch * LEAST_POINTS / 72 >= 9


def colours(name: str) -> dict[str, str]:
    block = re.search(r":root {([^}]*)}" if name == "light" else r"dark\) {\s*:root {([^}]*)}", STYLE)
    assert block
    return dict(re.findall(r"--(\w+): (#\w{6})", block[1]))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "quiet", "accent"])
@pytest.mark.parametrize("paper", ["paper", "wash"])
def test_letters_stand_out_in_both_themes(theme: str, ink: str, paper: str) -> None:
    known = colours(theme)
    assert contrast(known[ink], known[paper]) >= AA


def test_numbers_stand_out_on_every_shade_of_the_map() -> None:
    tones = re.findall(r"\.tone-[1-9] {\s*background: (#\w{6});\s*color: (#\w{6})", STYLE)
    assert len(tones) == 5
    assert all(contrast(paper, ink) >= AA for paper, ink in tones)
    shades = [luminance(paper) for paper, _ in tones]
    assert shades == sorted(shades, reverse=True), "in grey, more must be darker"


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_paper_is_always_light_and_cuts_nothing() -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in STYLE
    printed = STYLE[STYLE.index("@media print") :]
    assert re.search(r"\.scroll {[^}]*overflow: visible", printed)
    assert re.search(r"\.across {[^}]*overflow: visible", printed)
    assert re.search(r"h2, h3, caption {[^}]*break-after: avoid", printed)
