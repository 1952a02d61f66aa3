"""Texts of others, made harmless to look at: a model's name may hold anything."""

import re

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal obeys instead of showing, or cannot print: all control characters but tab and newline,
marks that turn the direction of writing, and halves of surrogate pairs."""


def printable(text: str) -> str:
    r"""The text with `\x1b` and the like spelled out where a terminal would obey; most texts stay as they are."""
    return OBEYED.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def all_printable(data: object) -> object:
    """The same parsed JSON with every text printable."""
    if isinstance(data, str):
        return printable(data)
    if isinstance(data, dict):
        return {printable(name): all_printable(value) for name, value in data.items()}
    return [all_printable(item) for item in data] if isinstance(data, list) else data
