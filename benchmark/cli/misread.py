"""Words of the command line that are no KEY=VALUE: what was meant, as far as it can be told."""

import re
from collections.abc import Sequence

from benchmark.config.keys import groups, keys
from crossover.command_line import guess

OPTIONS = (
    *("--help", "--version", "--multirun", "--cfg", "--info", "--resolve", "--package", "--hydra-help", "--run"),
    *("--shell-completion", "--config-path", "--config-name", "--config-dir"),
)
ELSEWHERE = {
    "analysis": "python -m analysis",
    **{each: f"python -m analysis {each}" for each in ("table", "texts", "parity", "map", "compare", "plot", "report")},
    **{each: f"python -m benchmark.{each}" for each in ("status", "sync", "rescore")},
    **{each: f"crossover --{each}" for each in ("help", "version")},
}
"""Words that others know as commands, and where they are."""
SHELLS = ("bash", "zsh", "fish")
SEVERAL = re.compile(r"[\w./]+=\S+(\s+[\w./]+=\S+)+")
COLON = re.compile(r"([\w.]+):(\S+)")


def unknown_option(word: str) -> str:
    """The line for a word with a dash that is no option."""
    name, _, value = word.lstrip("-").partition("=")
    if name in _names():
        return f"there is no option {word!r}: write {name}={value or 'VALUE'}, without dashes"
    return f"there is no option {word!r}{guess(word, OPTIONS)}: write KEY=VALUE, -m for a sweep, or --help for all keys"


def misread(word: str, following: str = "") -> str | None:
    """The line for a word that is no KEY=VALUE; None for one that may be. `following` is the word after it."""
    if not word.strip():
        return "an empty word cannot be read: write KEY=VALUE"
    if word in ELSEWHERE and word not in _names():
        return f"{word!r} is no KEY=VALUE: it is `{ELSEWHERE[word]}`"
    if word in _names():
        value = following if following and "=" not in following else "VALUE"
        return f"{word!r} has no value: write {word}={value}"
    if (match := COLON.fullmatch(word)) and match[1] in _names():
        return f"{word!r} cannot be read: write {match[1]}={match[2]}"
    return _unreadable(word)


def _unreadable(word: str) -> str | None:
    """The line for a word that is no KEY=VALUE of any kind, or several."""
    if "=" not in word and not word.startswith(("~", "+")):
        return f"{word!r} cannot be read{guess(word, _names())}: write KEY=VALUE, or with -m KEY=A,B for several values"
    if SEVERAL.fullmatch(word):
        return f"{word!r} is read as one word: leave out the quotation marks around it"
    return None


def wrong_completion(words: Sequence[str]) -> str | None:
    """The line for what stands behind `--shell-completion`, where it is not what that takes."""
    allowed = {f"{what}={shell}" for what in ("install", "uninstall", "query") for shell in SHELLS}
    if len(words) == 1 and words[0] in allowed:
        return None
    given = " ".join(["--shell-completion", *words])
    return f"{given}: give install=SHELL or uninstall=SHELL, with one of {', '.join(SHELLS)}"


def _names() -> set[str]:
    return {key.name for key in keys()} | set(groups())
