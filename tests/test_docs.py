"""What the documentation points to exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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


def test_every_module_that_the_map_names_is_there() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs" / "inside.md").read_text(encoding="utf-8"), re.MULTILINE)
    for row in rows:
        folder = Path()
        for name in re.findall(r"`([^`]+)`", row):
            folder = Path(name).parent if "/" in name else folder  # named once for the modules that follow
            assert (ROOT / folder / Path(name).name).exists(), f"{name} in {row}"


def test_every_module_is_on_the_map() -> None:
    page = (ROOT / "docs" / "inside.md").read_text(encoding="utf-8")
    modules = [file for package in ("records", "analysis", "benchmark") for file in (ROOT / package).glob("[!_]*.py")]
    assert not [str(file) for file in modules if f"`{file.name}`" not in page and f"/{file.name}`" not in page]


def test_every_page_and_picture_is_led_to_from_another() -> None:
    links = {
        (page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))
    }
    files = {file for file in (ROOT / "docs").rglob("*") if file.is_file()}
    assert not files - links


def test_the_readme_is_among_the_pages() -> None:
    assert ROOT / "README.md" in PAGES
