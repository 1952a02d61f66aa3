"""What the documentation points to exists."""

import json
import re
import runpy
from pathlib import Path

import pytest

from tests.paths import PAGES, ROOT

LINK = re.compile(r"(?:\]\(|\bsrc(?:set)?=\")(?!https?:)([^)#\"]+)")


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


def test_every_page_is_in_a_group_of_the_site() -> None:
    site = runpy.run_path(str(ROOT / "site" / "gather.py"))
    grouped = {f"{name}.md" for pages in site["CONTENTS"].values() for name in pages.split()}
    elsewhere = set(site["ELSEWHERE"].values()) - {"index.md"}
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert grouped == pages | {name for name in elsewhere if name.endswith(".md")}, "list the page in site/gather.py"


def test_every_link_of_the_site_leads_somewhere(tmp_path: Path) -> None:
    site = runpy.run_path(str(ROOT / "site" / "gather.py"))
    site["gather"](tmp_path / "pages")
    missing = [
        f"{page.relative_to(tmp_path)}: {link}"
        for page in (tmp_path / "pages").rglob("*.md")
        for link in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert not missing, "name the file in site/gather.py's ELSEWHERE"


def test_links_follow_pages_that_the_site_moves() -> None:
    moved = runpy.run_path(str(ROOT / "site" / "gather.py"))["moved"]
    assert moved("[a](docs/results/speed.md#b), [c](CHANGELOG.md)", "index.md") == (
        "[a](results/speed.md#b), [c](changelog.md)"
    )
    assert moved("[a](../CHANGELOG.md), [b](results/x.log)", "inside.md") == "[a](changelog.md), [b](results/x.log)"
    assert moved("[a](../../README.md), [b](https://c.d/e)", "results/gpu.md") == "[a](../index.md), [b](https://c.d/e)"


def test_a_picture_for_narrow_screens_is_there_and_the_site_shows_the_wide_one() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    files = re.findall(r'(?:srcset|src)="([^"]+)"', text)
    assert len(files) == 2
    assert all((ROOT / file).exists() for file in files)
    moved = runpy.run_path(str(ROOT / "site" / "gather.py"))["moved"]
    assert "<picture>" not in moved(text, "index.md")
    assert "](results/map/break-even-row.svg)" in moved(text, "index.md")


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "results").glob("*.md")), ids=lambda page: page.stem)
def test_a_page_of_results_says_when_on_what_by_which_versions_and_how(page: Path) -> None:
    text = page.read_text(encoding="utf-8").partition("\n## Each command line")[0]
    needed = {
        "a date": r"\b20\d\d-\d\d-\d\d\b",
        "the hardware": r"EPYC|H100|H200|A100",
        "versions": r"(?i)(python|pytorch|torch) \d",
        "a command": r"python -m |pytest |nox -s ",
    }
    assert not [what for what, pattern in needed.items() if not re.search(pattern, text)]


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "results").glob("*.md")), ids=lambda page: page.stem)
def test_a_page_of_results_begins_with_what_is_asked_and_the_answer(page: Path) -> None:
    opening = re.split(r"^```|^\| |^## ", page.read_text(encoding="utf-8"), maxsplit=1, flags=re.MULTILINE)[0]
    assert re.search(r"^\*\*Question\.\*\* .+\?$\s+^\*\*Answer\.\*\* ", opening, re.MULTILINE | re.DOTALL)


def test_the_notebook_is_stored_with_what_its_cells_show() -> None:
    text = (ROOT / "docs" / "example.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    kinds = [
        {kind for each in cell["outputs"] for kind in each.get("data", {each["output_type"]: ""})} for cell in cells
    ]
    assert all(kinds), "jupyter execute --inplace docs/example.ipynb stores it with outputs"
    assert "image/png" in set.union(*kinds)
    assert "error" not in set.union(*kinds)
    assert not re.search(r"/(home|root|tmp|Users)/", text)


def test_every_page_is_listed_with_the_question_that_it_answers() -> None:
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\[.+) \| (.+) \|$", text, re.MULTILINE)
    led_to = {link for pages, question in rows if question.endswith("?") for link in LINK.findall(pages)}
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert not pages - led_to, "a row for the page in docs/README.md, with its question"


def test_the_readme_is_among_the_pages() -> None:
    assert ROOT / "README.md" in PAGES
