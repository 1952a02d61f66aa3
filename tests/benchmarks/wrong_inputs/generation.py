"""Wrong command lines, always the same: drawn from the schema and from lists."""

import random
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter

from benchmark.config.convert import config_of
from benchmark.config.folder import options
from benchmark.config.keys import Key, groups, keys
from benchmark.config.schema import Config
from tests.benchmarks.wrong_inputs.lines import FILES, OPTIONS, POINTS, TOGETHER

COUNT = 500


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A wrong command line, and what is wrong with it."""

    kind: str
    words: tuple[str, ...]


def wrong_values(draw: random.Random) -> Iterator[Wrong]:
    """Every key with values of other types."""
    everywhere = ["{a:1}", "[1,2]", "${nope}", "${nope:1}"]
    for key in keys():
        kind, is_optional = key.kind, key.is_optional
        if key.name in {"sweep.id", "sweep.index"}:
            continue
        values = [*everywhere, *(["null"] if not is_optional and kind is not str else [])]
        if kind in {int, float}:
            values += ["abc", "''", "-7", "nan", "inf", "1_x", "0x"]
        if kind is int:
            values += ["1.5", "1e400"]
        if kind is bool:
            values += ["maybe", "2", "''"]
        if key.listed or issubclass(kind, StrEnum):
            values += ["nope", "''", "7", "AUTO"]
        for value in draw.sample(values, k=min(5, len(values))):
            yield Wrong(kind="value of another type", words=(f"{key.name}={value}",))


def typos(draw: random.Random) -> Iterator[Wrong]:
    """Keys and choices with a letter less, a letter more, or two in the wrong order."""
    known = {key.name for key in keys()} | set(groups())
    for key in keys():
        word = _typo(draw, key.name)
        if word not in known and "sweep." not in word:
            yield Wrong(kind="typo in a key", words=(f"{word}={_default(key)}",))
    for group, names in options().items():
        for name in names:
            word = _typo(draw, name)
            if word and word not in names:
                yield Wrong(kind="typo in a choice", words=(f"{group}={word}",))


def _typo(draw: random.Random, word: str) -> str:
    at = draw.randrange(1, len(word))
    return draw.choice([word[:at] + word[at + 1 :], word[:at] + word[at - 1] + word[at:], word + "x"])


def _default(key: Key) -> str:
    value = attrgetter(key.name)(_defaults())
    return "null" if value is None else f"'{value}'"


@cache
def _defaults() -> Config:
    return config_of([])


def deleted_and_added(draw: random.Random) -> Iterator[Wrong]:
    """Keys and groups that are taken away, and keys that are not in the schema."""
    for key in keys():
        yield Wrong(kind="key taken away", words=(draw.choice([f"~{key.name}", f"~{key.name}={_default(key)}"]),))
        if draw.random() < 0.3:
            yield Wrong(kind="key added", words=(f"{draw.choice(['+', '++'])}{key.name}_new=1",))
    for group in options():
        yield Wrong(kind="group taken away", words=(f"~{group}",))
        for value in ("null", "{a:1}", "''", "[1]", "_llama3_8b", "_slurm", "${nope}"):
            yield Wrong(kind="no choice of a group", words=(f"{group}={value}",))


def grammar(draw: random.Random) -> Iterator[Wrong]:
    """Words that Hydra's grammar does not have."""
    forms = ["{}", "={}", "{}='1", "{}=[1", "{}={{a", "{}:3", "{}==", "{}=(1", "{}=1)", "--{}=4", "{}=~/x", '{}="a b']
    names = ["steps", "batch", "warmup", "prompts.source", "length"]
    for form in forms:
        for name in draw.sample(names, k=2):
            yield Wrong(kind="no override", words=(form.format(name),))


def sweeps(draw: random.Random) -> Iterator[Wrong]:
    """Grids with a wrong point, and grids without -m."""
    for line in POINTS.split():
        key, good, *wrong = re.split("[=|]", line)
        for value in wrong:
            before = draw.choice(["", f"{good},"])
            yield Wrong(kind="wrong point of a sweep", words=("-m", f"{key}={before}{value}"))
        yield Wrong(kind="several values without -m", words=(f"{key}={good},{wrong[0]}",))


def listed(kind: str, lines: str) -> Callable[[random.Random], Iterator[Wrong]]:
    """The family that a text lists, a command a line."""
    return lambda _: (Wrong(kind=kind, words=tuple(shlex.split(line))) for line in lines.strip().splitlines())


LISTED = (
    listed("file", FILES),
    listed("wrong together, or without effect", TOGETHER),
    listed("option", OPTIONS),
    sweeps,
    grammar,
)
BY_KEYS = (deleted_and_added, typos, wrong_values)
"""Families that grow with every key and every group."""


def generate(count: int) -> list[Wrong]:
    """So many wrong command lines, always the same: those that are listed, and as many by keys as there is room for."""
    draw = random.Random(13)
    first, others = (
        list(dict.fromkeys(wrong for family in families for wrong in family(draw))) for families in (LISTED, BY_KEYS)
    )
    room = min(count - len(first), len(others))
    return first + [others[index * len(others) // room] for index in range(room)]
