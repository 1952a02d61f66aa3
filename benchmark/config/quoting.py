"""Quotation marks around values that Hydra's grammar cannot read bare: names of files may hold any character."""

import re

from benchmark.config.keys import keys

BARE = re.compile(r"[\w\s/\\+.$%*@?|:-]*", re.ASCII)
"""What Hydra reads without quotation marks."""
MEANT = re.compile(r"""[~='"\[{].*|.*\$\{.*|\w+\(.*\)""", re.DOTALL)
"""What is left to Hydra as it is: quoted texts, lists, references to keys, its functions, and what seems a slip."""


def quoted(override: str) -> str:
    """The override with its values quoted, where its key takes any text and a value has characters that need it.

    Commas part the values of a sweep, so a value with a comma has to be quoted by whoever gives it.
    """
    name, equals, given = override.partition("=")
    if not takes_any_text(name.lstrip("+")) or MEANT.fullmatch(given):
        return override
    return name + equals + ",".join(part if BARE.fullmatch(part) else in_quotes(part) for part in given.split(","))


def in_quotes(text: str) -> str:
    """The text between quotation marks, as Hydra reads it: a backslash matters before such a mark alone."""
    behind = re.sub(r"(\\*)'", lambda match: match[1] * 2 + "\\'", text)
    return "'" + re.sub(r"(\\+)$", lambda match: match[1] * 2, behind) + "'"


def takes_any_text(name: str) -> bool:
    """Whether a key is known and takes any text."""
    return any(key.name == name and key.kind is str and not key.members for key in keys())
