"""Gather the pages of the documentation in one folder, from which Sphinx builds the site.

    python site/gather.py FOLDER

The README becomes the first page. Pages outside docs/ come along, and relative links follow them. CONTENTS groups the
pages; a page that is in no group stops the build.
"""

import posixpath
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmark/assets/MODEL_CARD.md": "model-card.md",
    "benchmark/assets/loss_curves.png": "loss_curves.png",
    "benchmark/assets/tiny_twin/MODEL_CARD.md": "twin-card.md",
    "benchmark/assets/tiny_twin/loss_curves.png": "twin_loss_curves.png",
}
"""Files outside docs/, from the repository's root, and what the site calls them."""
CONTENTS = {
    "Use it": """
        README
        recipes
        api
        keys
        inputs
        tasks
        policies
        pairs
        presets
        engines
        workstation
        cluster
        mlflow
    """,
    "Understand its figures": """
        glossary
        metrics
        protocol
        parity
        report
        tiny-pair
        model-card
        twin-card
    """,
    "What it found": """
        results/map
        results/report-grid
        claims
        results/speed
        results/cached-steps
        results/fronts
    """,
    "How well it works": """
        results/coverage
        results/timing-truth
        results/identical-runs
        results/gpu
        results/faults
        results/files-and-machines
        results/wrong-inputs
        results/machinery
        results/report-size
        results/sync
    """,
    "Change it": """
        inside
        contributing
        changelog
    """,
}
"""The pages of each group, a line each."""
PICTURE = re.compile(r'<picture>.*?<img alt="([^"]*)" src="([^"]*)">\s*</picture>', re.DOTALL)
"""A picture with another form for narrow screens. Sphinx copies images' files alone, so it has the wide one."""
LINK = re.compile(r"(\]\()(?!https?:|#)([^)#\s]+)")


def gather(folder: Path) -> None:
    """Copy pages, pictures and outputs to a folder, with links that hold there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    for source, name in ELSEWHERE.items():
        shutil.copy(ROOT / source, folder / name)
    for page in folder.rglob("*.md"):
        name = page.relative_to(folder).as_posix()
        page.write_text(moved(page.read_text(encoding="utf-8"), name), encoding="utf-8")
    with (folder / "index.md").open("a", encoding="utf-8") as index:
        index.writelines(contents(title, pages.split()) for title, pages in CONTENTS.items())


def moved(text: str, name: str) -> str:
    """The text of a page, each relative link turned into one between pages of the site."""
    source = next((each for each, called in ELSEWHERE.items() if called == name), f"docs/{name}")

    def turned(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        on_site = ELSEWHERE.get(target, target.removeprefix("docs/"))
        return match[1] + posixpath.relpath(on_site, posixpath.dirname(name) or ".")

    return LINK.sub(turned, PICTURE.sub(r"![\1](\2)", text))


def contents(title: str, pages: list[str]) -> str:
    """A group of pages in the site's contents."""
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""])


if __name__ == "__main__":
    gather(Path(sys.argv[1]))
