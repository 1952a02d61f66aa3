"""What may follow on a command line: options, keys, choices of groups, values, files; for `crossover -sc query=SHELL`.

A shell asks while somebody types, so nothing of Hydra's is composed. It answers for its own keys alone (`hydra.`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.cli.arguments import CFG, INFO
from benchmark.cli.completion_scripts import INSTALL, UNINSTALL
from benchmark.cli.misread import SHELLS
from benchmark.config.folder import CONF, options
from benchmark.config.keys import Key, groups, keys

OPTIONS = {
    "--help": "all keys and groups",
    "--version": "Crossover's version",
    "--multirun": "a sweep over several values, as -m",
    "--cfg": "show the configuration, run nothing",
    "--package": "the part of the configuration that --cfg shows",
    "--resolve": "with --cfg: values in the place of references",
    "--info": "what Hydra knows of this command",
    "--hydra-help": "the options of Hydra, which reads the command line",
    "--shell-completion": "print what a shell needs to complete command lines",
}
AFTER = {
    ("--cfg", "-c"): CFG,
    ("--info", "-i"): INFO,
    ("--shell-completion", "-sc"): tuple(f"{what}={shell}" for what in ("install", "uninstall") for shell in SHELLS),
}
"""Options that take a word, and the words."""
REMARK = re.compile(r"^# (?!@)(.*)$", re.MULTILINE)
"""A line of a choice's file that says what it is."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A whole word that may stand where the cursor is, and what it means."""

    text: str
    meaning: str = ""


def completion(asked: str, line: str) -> str | None:
    """The answer to `install=SHELL`, `uninstall=SHELL` or `query=SHELL`; None for a query that only Hydra can answer.

    `line` is the command line up to the cursor.
    """
    what, _, shell = asked.partition("=")
    if what != "query":
        return (INSTALL if what == "install" else UNINSTALL)[shell]
    if is_for_hydra(line):
        return None
    return "".join(
        f"{each.text}\n" if shell == "bash" or not each.meaning else f"{each.text}\t{each.meaning}\n"
        for each in candidates(line)
    )


def is_for_hydra(line: str) -> bool:
    """Whether the last word of a command line begins one of Hydra's own keys."""
    return re.split(r"\s", line)[-1].lstrip("+~").startswith("hydra")


def candidates(line: str) -> list[Candidate]:
    """The words that may complete the last one of a command line, which is empty after a space."""
    *before, current = re.split(r"\s+", line)
    given = {word.partition("=")[0].lstrip("+") for word in before}
    return [each for each in _fitting(before, current) if each.text.rstrip("=") not in given]


def _fitting(before: Sequence[str], current: str) -> Iterator[Candidate]:
    """What may stand there and begins as the current word does."""
    if words := next((words for names, words in AFTER.items() if before and before[-1] in names), ()):
        return _beginning(current, map(_plain, words))
    if current.startswith("-"):
        return _beginning(current, (Candidate(text=text, meaning=meaning) for text, meaning in OPTIONS.items()))
    if "=" in current:
        name, _, given = current.partition("=")
        return _values(name, given)
    return _beginning(current, _names(current))


def _names(current: str) -> Iterator[Candidate]:
    """Groups and keys; those inside a group once its name and the dot are there."""
    inside = [key for key in keys() if "." in key.name]
    if "." in current:
        yield from (Candidate(text=f"{key.name}=", meaning=key.meaning) for key in inside)
        return
    for name, meaning in groups().items():
        if name in options():
            yield Candidate(text=f"{name}=", meaning=meaning)
        if any(key.name.startswith(f"{name}.") for key in inside):
            yield Candidate(text=f"{name}.", meaning="a value inside the group")
    yield from (Candidate(text=f"{key.name}=", meaning=key.meaning) for key in keys() if "." not in key.name)
    yield Candidate(text="hydra.", meaning="settings of Hydra's own")


def _values(name: str, given: str) -> Iterator[Candidate]:
    """The values of a key or group that are known beforehand, or files; of several, the last is completed."""
    earlier, comma, last = given.rpartition(",")
    key = next((key for key in keys() if key.name == name.lstrip("+")), None)
    offered = _choices(name) if name in options() else [] if key is None else list(map(_plain, _listed(key)))
    if key is not None and not offered and key.kind is str:
        offered = list(map(_plain, _paths(last)))
    for each in _beginning(last, offered):
        if each.text not in earlier.split(","):
            yield Candidate(text=f"{name}={earlier}{comma}{each.text}", meaning=each.meaning)


def _choices(group: str) -> list[Candidate]:
    """The names of a group, each with the first remark in its file."""
    texts = {name: (CONF / group / f"{name}.yaml").read_text(encoding="utf-8") for name in options()[group]}
    remarks = {name: REMARK.search(text) for name, text in texts.items()}
    return [Candidate(text=name, meaning=said[1] if said else "") for name, said in remarks.items()]


def _listed(key: Key) -> Sequence[str]:
    if key.kind is bool:
        return ("true", "false")
    return [*key.members, *(["null"] if key.members and key.is_optional else [])]


def _paths(begun: str) -> list[str]:
    """Files and folders whose path begins so, as it was typed; hidden ones where their dot was."""
    folder, slash, name = begun.rpartition("/")
    try:
        entries = sorted(Path(f"{folder}{slash}" or ".").iterdir())
    except OSError:
        return []
    shown = [each for each in entries if name.startswith(".") or not each.name.startswith(".")]
    return [f"{folder}{slash}{each.name}{'/' if each.is_dir() else ''}" for each in shown]


def _plain(text: str) -> Candidate:
    return Candidate(text=text)


def _beginning(begun: str, offered: Iterable[Candidate]) -> Iterator[Candidate]:
    return (each for each in offered if each.text.startswith(begun))
