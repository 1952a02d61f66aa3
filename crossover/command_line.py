"""How the options of every program are read: what is wrong with them is said in one line, with a guess."""

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from crossover.errors import UserError
from crossover.outlet import USAGE_ERROR, tell_error

UNKNOWN = re.compile(r"unrecognized arguments: (-\S+)")
CHOICES = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """Ends the program with one line, where argparse would print its usage too."""

    def error(self, message: str) -> NoReturn:
        """End with the line."""
        tell_error(self.complaint(message))
        raise SystemExit(USAGE_ERROR)

    def complaint(self, message: str) -> str:
        """What is wrong, what may have been meant, and where to read more."""
        options = [option for action in self._actions for option in action.option_strings]
        return f"{message}{_guess(message, options)}: {self.prog} --help shows what is allowed"


class RaisingParser(Parser):
    """The same for a program that ends in one line by itself."""

    def error(self, message: str) -> NoReturn:
        """Raise the line."""
        raise UserError(self.complaint(message))


def guess(word: str, known: Iterable[str]) -> str:
    """The known word that was meant, as a part of a sentence; nothing where none is like it."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _guess(message: str, options: Sequence[str]) -> str:
    """The choice that was meant, where the message lists them, or the option."""
    if choice := CHOICES.search(message):
        return guess(choice[1], re.findall(r"[\w-]+", choice[2]))
    option = UNKNOWN.search(message)
    return guess(option[1], options) if option else ""
