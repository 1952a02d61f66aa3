"""The command lines that the documentation shows are ones that the programs take."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.cli.parser import COMMANDS, make_parser
from benchmark.cli.arguments import arranged
from tests.composition import composed, config
from tests.paths import PAGES, ROOT

BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4}(python.*(?:\n {4}.+)*\n)", re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
PROGRAM = re.compile(r"(?:python -P?\s*-?m|python3? -m) ([\w.]+)(.*)")
NOT_SHOWN = {"wrong-inputs.md"}
"""A page of command lines that must be refused."""


def commands(page: Path) -> Iterator[str]:
    """The lines of the page's shell blocks and the commands between its sentences, without remarks."""
    text = page.read_text(encoding="utf-8")
    blocks = re.sub(r"\\\n\s*", " ", "".join([*(block for _, block in BLOCK.findall(text)), *INDENTED.findall(text)]))
    for line in (*blocks.splitlines(), *SPAN.findall(BLOCK.sub("", text))):
        yield from (command.strip(" &") for command in re.split(r"&&|\s#\s", line))


def of(program: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each command line of a program once, with the page that shows it first."""
    found: dict[tuple[str, ...], str] = {}
    for page in (each for each in PAGES if each.name not in NOT_SHOWN):
        for command in commands(page):
            match = PROGRAM.search(command)
            if match and match[1] == program and not re.search(r"\.\.\.|\[|\||NAME", match[2]):
                found.setdefault(tuple(shlex.split(match[2].split(" > ")[0])), page.name)
    return [(page, words) for words, page in found.items()]


MEASURING = [words for _, words in of("benchmark") if "OVERRIDES" not in words and "--help" not in words]
ANALYSES = [words for _, words in of("analysis")]


def modules() -> set[str]:
    """Every module of ours that a command of the pages starts."""
    named = {match[1] for page in PAGES for command in commands(page) if (match := PROGRAM.search(command))}
    return {name for name in named if name.split(".")[0] in {"analysis", "benchmark", "tests", "training"}}


def first(override: str) -> str:
    """The override with the first of its values."""
    name, _, values = override.partition("=")
    return override if name == "hardware.gpus" else f"{name}={values.split(',')[0]}"


def test_there_are_commands_to_try() -> None:
    assert len(MEASURING) > 30
    assert len(ANALYSES) > 8
    assert len(modules()) > 15


@pytest.mark.process
@pytest.mark.parametrize("words", MEASURING, ids=" ".join)
def test_a_measurement_that_a_page_shows_has_known_keys_and_values(words: tuple[str, ...]) -> None:
    overrides = [first(word) for word in arranged(words) if not word.startswith("-")]
    if any(word.startswith("pair=") for word in overrides):
        params = composed(*overrides, with_hydra=True).hydra.sweeper.params
        overrides.append(first(f"model={params.model}"))
    assert config(*overrides)


@pytest.mark.parametrize("words", ANALYSES, ids=" ".join)
def test_an_analysis_that_a_page_shows_has_known_options(words: tuple[str, ...]) -> None:
    given = list(words) if words and words[0] in COMMANDS else ["table", *words]
    assert make_parser().parse_args(given)


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_program_that_a_page_starts_is_there(name: str) -> None:
    assert "__main__" in source(name), f"{name} starts nothing"


def source(name: str) -> str:
    """The text of a module, or of all modules of a package and of its entrance's name."""
    path = ROOT / name.replace(".", "/")
    files = sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return "\n".join(f"# {file.name}\n{file.read_text(encoding='utf-8')}" for file in files)


@pytest.mark.parametrize("name", sorted(name for name in modules() if name.startswith(("tests.", "training"))))
def test_an_option_that_a_page_gives_a_program_is_one_of_its_options(name: str) -> None:
    options = {word for _, words in of(name) for word in words if word.startswith("--")}
    assert not {option for option in options if f'"{option}"' not in source(name)}


def test_a_session_that_a_page_names_is_one_of_nox() -> None:
    known = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE))
    named = [
        match[1].split() for page in PAGES for line in commands(page) if (match := re.search(r"nox.* -s (.*)", line))
    ]
    sessions = {name for words in named for name in " ".join(words).split(" -")[0].split()}
    assert {"docs", "release", "slurm"} <= sessions
    assert not sessions - known
