"""What the documentation points to exists."""

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmark").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def anchors(page: Path) -> set[str]:
    """The names that headings get, as GitHub gives them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_a_page_leads_to_a_heading(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*\.md)?#([^)]+)\)", page.read_text(encoding="utf-8"))
    assert not [(file, name) for file, name in links if name not in anchors(page.parent / file if file else page)]


def map_of_folders() -> dict[str, str]:
    """What docs/inside.md says of each folder."""
    page = (ROOT / "docs" / "inside.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", page, re.MULTILINE))


def test_every_folder_of_code_is_on_the_map_and_no_other() -> None:
    packages = ("crossover", "analysis", "benchmark", "hydra_plugins", "training")
    folders = {file.parent.relative_to(ROOT) for package in packages for file in (ROOT / package).rglob("*.py")}
    named_with_another = {Path("analysis"), Path("analysis/report/figures")}
    assert {Path(folder) for folder in map_of_folders()} == folders - named_with_another


def test_every_module_that_the_map_names_is_in_its_folder() -> None:
    for folder, words in map_of_folders().items():
        for name in re.findall(r"`(\w+\.py)`", words):
            assert (ROOT / folder / name).exists(), f"{name} in {folder}"


def test_every_page_and_picture_is_led_to_from_another() -> None:
    links = {
        (page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))
    }
    files = {file for file in (ROOT / "docs").rglob("*") if file.is_file()}
    assert not files - links


def test_the_readme_is_among_the_pages() -> None:
    assert ROOT / "README.md" in PAGES
