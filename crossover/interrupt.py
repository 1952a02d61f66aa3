"""Ctrl-C while a program is still being imported, which takes a second: this module stands on the language alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""The exit code that shells give a program stopped by Ctrl-C."""


@contextmanager
def ending_when_interrupted() -> Iterator[None]:
    """Within, Ctrl-C ends the program with one line.

    Raises:
        SystemExit: with 130 after Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        raise SystemExit(INTERRUPTED) from None
