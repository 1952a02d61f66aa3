"""What a program does when what it prints cannot arrive: its reader has left, its terminal was closed, a disk is full.

This module imports next to nothing, so that programs begin with it.
"""

import errno
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TextIO

READER_LEFT = 141
"""The exit code that shells give a program whose reader left, as `head` does: 128 and the number of SIGPIPE."""
USAGE_ERROR = 2
"""The exit code of a command that cannot be carried out."""


@contextmanager
def ending_when_unwritable() -> Iterator[None]:
    """Within, and when its last lines are sent, output that cannot arrive ends the program.

    Raises:
        SystemExit: with 141 and without a word when the reader has left; with 2 and one line when a disk is full.
    """
    _open_closed_ones()
    try:
        try:
            yield
        finally:
            for stream in _streams():
                stream.flush()
    except OSError as error:
        if not _silence():  # it was another file or pipe
            raise
        if line := unwritable(error):
            tell_error(line)
            raise SystemExit(USAGE_ERROR) from None


def unwritable(error: OSError) -> str | None:
    """What to say where standard output or error failed with this error; None where the program may go on.

    A terminal that was closed says nothing more: a program that its user shielded from that is meant to go on. Nothing
    that is still to be printed can fail afterwards.

    Raises:
        SystemExit: when the reader has left.
    """
    _silence()
    if isinstance(error, BrokenPipeError):
        leave()
    if error.errno == errno.EIO:
        return None
    return f"what is printed cannot be written ({error.strerror}): make room there, or send the output elsewhere"


def leave() -> NoReturn:
    """End the program, whose reader has left."""
    _silence()
    raise SystemExit(READER_LEFT)


def require_working_folder() -> None:
    """Return if the folder that the program was started in is still there; libraries would end in words of their own.

    Raises:
        SystemExit: with 2 and one line when it is not.
    """
    try:
        Path.cwd()
    except OSError:
        tell_error("the current folder was deleted: go to one that exists, and give the command again")
        raise SystemExit(USAGE_ERROR) from None


def tell_error(line: str) -> None:
    """Print the line of an error, without what makes it fit a terminal, which takes a moment to import."""
    sys.stderr.write(f"error: {line}\n")


def _silence() -> bool:
    """Send what is still to be printed to nowhere where it cannot be written. Returns whether that was so anywhere."""
    failing = [stream for stream in _streams() if not _can_flush(stream) or _is_left(stream)]
    for stream in failing:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
    return bool(failing)


def _open_closed_ones() -> None:
    """Give the program an output and an error where a shell's `>&-` left none: files would take their places."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it stays to the end
            setattr(sys, name, nowhere)


def _streams() -> list[TextIO]:
    """Standard output and error, where they are files; in a notebook they are not."""
    return [stream for stream in (sys.stdout, sys.stderr) if not stream.closed and _is_file(stream)]


def _is_file(stream: TextIO) -> bool:
    try:
        stream.fileno()
    except (OSError, AttributeError):  # it has none
        return False
    return True


def _can_flush(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _is_left(stream: TextIO) -> bool:
    """Whether nobody reads what goes there, also where a failed attempt has emptied the stream."""
    look = select.poll()
    look.register(stream.fileno(), select.POLLOUT)
    return any(seen & (select.POLLERR | select.POLLHUP) for _, seen in look.poll(0))
