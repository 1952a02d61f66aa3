"""How every program of the project speaks to the terminal, and how it ends."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

from crossover.addresses import masked_text
from crossover.interrupt import ending_when_interrupted
from crossover.printable import printable

PLAIN_WIDTH = 120
"""Columns of lines that go to a file or a pipe, where there is no terminal to fit."""

USAGE_ERROR = 2


def make_console(*, stderr: bool = False, record: bool = False) -> Console:
    """The terminal; or plain, wide lines where the output is none. `record` keeps what is printed, to draw it."""
    console = Console(stderr=stderr, record=record, emoji=False)
    return console if console.is_terminal else Console(stderr=stderr, record=record, emoji=False, width=PLAIN_WIDTH)


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
        SystemExit: with 2 after such a line, with 130 after Ctrl-C.
    """
    try:
        with ending_when_interrupted():
            yield
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if (line := complaint(error)) is None:
            raise
        end_with(line)
