"""Names and sentences are plain: no metaphor that was a module's name once, no riddle that was mended."""

import ast
import re
from pathlib import Path

import pytest

from benchmark.roofline.prediction import REACH
from crossover.records.settings import Engine
from tests.paths import ROOT

FOLDERS = ("crossover", "analysis", "benchmark", "hydra_plugins", "training", "conf", "docs")
ENDINGS = {".py", ".md", ".yaml", ".html"}
WRITTEN = sorted(
    [
        *ROOT.glob("*.md"),
        *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.suffix in ENDINGS),
    ]
)
BANNED = {
    r"shel(f|ves)": "a cache",
    r"outlook": "an estimate",
    r"aftermath": "reconciling",
    r"conductor": "a driver",
    r"workshop": "a factory",
    r"sinks?": "a store, or MLflow",
    r"meaned": "averaged",
    r"in \S+ (\S+ )?stead": "name who writes what",
    r"stands? in (the|its) place of": "replaces",
    r"no answer is never taken": "say what an unreachable scheduler means",
    r"like entropy": "equal entropy",
    r"word salad": "say what the text is like",
    r"nobody watched": "could not be watched",
}
"""Words that a reader must guess the meaning of, and what to write for them."""
VAGUE = {"found", "place", "places"}
NAMED = ("crossover", "analysis", "benchmark", "hydra_plugins", "training")
GLOSSARY = ROOT / "docs" / "glossary.md"


def definitions() -> dict[str, str]:
    """Each term of the glossary with its definition."""
    parts = re.split(r"^### (.+)$", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    bodies = (body.split("\n## ")[0].strip() for body in parts[1::2])
    return dict(zip(parts[::2], bodies, strict=True))


@pytest.mark.parametrize("words", BANNED)
def test_no_file_has_words_that_hide_their_meaning(words: str) -> None:
    pattern = re.compile(rf"\b{words}\b", re.IGNORECASE)
    lines = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in WRITTEN
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not lines, f"write {BANNED[words]} for: " + "; ".join(lines)


def names(source: str) -> set[str]:
    """All names that a module gives to variables and parameters."""
    nodes = list(ast.walk(ast.parse(source)))
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return stored | {node.arg for node in nodes if isinstance(node, ast.arg)}


def test_every_variable_is_named_after_what_it_holds() -> None:
    modules = [file for folder in NAMED for file in (ROOT / folder).rglob("*.py")]
    assert modules
    assert not [str(file.relative_to(ROOT)) for file in modules if names(file.read_text(encoding="utf-8")) & VAGUE]


def test_the_glossary_defines_each_term_once_and_in_a_few_sentences() -> None:
    terms = re.findall(r"^### (.+)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(terms) == len({term.lower() for term in terms})
    too_long = {
        term: text for term, text in definitions().items() if not 1 <= len(re.findall(r"[.)]\s|\.$", text)) <= 5
    }
    assert not too_long


def test_the_glossary_has_the_terms_that_every_page_uses() -> None:
    needed = (
        "arm, grid point, run, sweep, ladder, rung, parity, steps to parity, break-even, clean and disturbed, canvas,"
    )
    needed += (
        " forward pass, policy, replicate, baseline, record, journal, claim, point batch, judge, encoder, crossing,"
    )
    needed += " interval, control, key, engine, lossy"
    assert set(needed.split(", ")) <= {term.lower() for term in definitions()}


def test_the_pages_that_a_reader_starts_from_link_the_glossary() -> None:
    pages = ("README.md", "docs/inside.md", "docs/cluster.md", "docs/parity.md", "docs/protocol.md", "docs/metrics.md")
    assert not [page for page in pages if "glossary.md" not in (ROOT / page).read_text(encoding="utf-8")]


@pytest.mark.parametrize("engine", Engine)
def test_the_protocol_names_the_share_of_the_floor_that_predictions_use(engine: Engine) -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert f"{REACH[engine]} {engine}" in page


PROSE = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
GENERATED = {"keys.md", "wrong-inputs.md", "faults.md", "coverage.md"}
LINKED_TERMS = (
    *("arm", "canvas", "ladder", "rung", "replicate", "human line", "break-even", "journal", "crossing", "judge"),
    *("grid point", "ledger"),
)
"""Terms of this project, or with a narrower sense in it."""
MOST_WORDS = 60


def prose(page: Path) -> str:
    """The text of a page without code, tables, pictures and the targets of links."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:\||!|<|#| {4}).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"\]\([^)]*\)", "]", text)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_so_long_that_it_must_be_read_twice(page: Path) -> None:
    parts = re.split(r"\n\s*\n|\n\s*- |\n\d+\. ", prose(page))
    sentences = [each for part in parts for each in re.split(r"(?<=[.?:])\s+(?=[A-Z`\"\[*])", " ".join(part.split()))]
    assert not [sentence for sentence in sentences if len(sentence.split()) > MOST_WORDS]


@pytest.mark.parametrize(
    "page",
    [page for page in PROSE if page.parent.name != "results" and page.name not in {*GENERATED, "glossary.md"}],
    ids=lambda page: page.stem,
)
def test_a_page_links_the_definition_of_each_term_that_it_uses(page: Path) -> None:
    text, links = re.sub(r"`[^`]*`", "", prose(page)), page.read_text(encoding="utf-8")
    used = [term for term in LINKED_TERMS if re.search(rf"\b{term}s?\b", text)]
    assert not [term for term in used if f"glossary.md#{term.replace(' ', '-')})" not in links], "link docs/glossary.md"
