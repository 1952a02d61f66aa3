"""How every program of the project speaks to the terminal, and how it ends."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

from crossover.addresses import masked_text
from crossover.errors import UserError
from crossover.interrupt import ending_when_interrupted
from crossover.outlet import USAGE_ERROR, ending_when_unwritable, leave, unwritable
from crossover.printable import printable

PLAIN_WIDTH = 120
"""Columns of lines that go to a file or a pipe, where there is no terminal to fit."""


class _Console(Console):
    """Ends the program when nobody reads what it prints; Rich would end it with 1, as if something were wrong."""

    def on_broken_pipe(self) -> None:
        """End it."""
        leave()

    def _check_buffer(self) -> None:
        with _told_when_unwritable():
            super()._check_buffer()


def make_console(*, stderr: bool = False, record: bool = False) -> Console:
    """The terminal; or plain, wide lines where the output is none. `record` keeps what is printed, to draw it."""
    console = _Console(stderr=stderr, record=record, emoji=False)
    return console if console.is_terminal else _Console(stderr=stderr, record=record, emoji=False, width=PLAIN_WIDTH)


def write(text: str) -> None:
    """Print text for another program, unchanged."""
    with _told_when_unwritable():
        sys.stdout.write(text)
        sys.stdout.flush()


@contextmanager
def _told_when_unwritable() -> Iterator[None]:
    """Within, an error of the output is one that the user can mend, or nothing where its terminal was closed."""
    try:
        yield
    except OSError as error:
        if line := unwritable(error):
            raise UserError(line) from error


def say(console: Console, *lines: str) -> None:
    """Print each line as it is: brackets are no markup, figures get no colour, and a long line is not broken."""
    for line in lines:
        console.print(printable(line), markup=False, emoji=False, highlight=False, soft_wrap=True)


def end_with(line: str) -> NoReturn:
    """End the program with one line on stderr, in which no address shows a secret."""
    say(make_console(stderr=True), f"error: {masked_text(line)}")
    raise SystemExit(USAGE_ERROR)


@contextmanager
def ending_in_one_line(complaint: Callable[[Exception], str | None]) -> Iterator[None]:
    """Within, an error for which `complaint` has a line ends the program with it; any other goes on as it is.

    Raises:
        SystemExit: with 2 after such a line, with 130 after Ctrl-C, with 141 when the output's reader has left.
    """
    try:
        with ending_when_interrupted(), ending_when_unwritable():
            yield
    except Exception as error:
        if (line := complaint(error)) is None:
            raise
        end_with(line)
