"""Ctrl-C, while a program runs and while it is still being imported, which takes a second.

This module imports next to nothing itself, so that little can be interrupted before it.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

INTERRUPTED = 130
"""The exit code that shells give a program stopped by Ctrl-C."""
LINE = "interrupted\n"


@contextmanager
def ending_when_interrupted() -> Iterator[None]:
    """Within, Ctrl-C ends the program with one line.

    Raises:
        SystemExit: with 130 after Ctrl-C.
    """
    try:
        yield
    except KeyboardInterrupt:
        _tell()
        raise SystemExit(INTERRUPTED) from None


@contextmanager
def leaving_when_interrupted() -> Iterator[None]:
    """Within, Ctrl-C ends the process at once, with one line and 130. Nothing must have begun that is to be ended well.

    This is for imports. There an exception can crash a library in C, and Python may end by the signal in spite of the
    exit code.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # a shell starts what it sends to the background without Ctrl-C
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(_: int, __: FrameType | None) -> None:
    _tell()
    os._exit(INTERRUPTED)


def _tell() -> None:
    """Say it, if there is anybody to be told: a terminal that was closed takes nothing."""
    with suppress(OSError):
        sys.stderr.write(LINE)
        sys.stderr.flush()
