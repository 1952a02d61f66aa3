"""Logs of jobs: write to them, and read their last lines, which say how the job ended."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmark.util.no_links import open_to_append, open_to_read

LINES = 30
BYTES = 16_384


def tail(file: Path) -> str | None:
    """The last lines of a file; None when there are none. A link is not followed: its end would go into a record."""
    try:
        with open_to_read(file) as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except OSError:
        return None
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines[-LINES:]).strip() or None


def last_words(file: Path) -> str:
    """The last line of a file and where it stands, as the end of a sentence; nothing where there is none."""
    said = tail(file)
    return "" if said is None else f": {said.splitlines()[-1]} (its log: {file})"


@contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Send what the libraries log to a file instead of the screen."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    handler = _FileHandler(file, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    root.handlers, root.level = [handler], logging.INFO
    try:
        yield
    finally:
        root.handlers, root.level = before, level
        with suppress(OSError):  # no room for its last lines is no reason to lose a measurement
            handler.close()


class _FileHandler(logging.FileHandler):
    """A handler that writes to a plain file alone, never through a link. Without its file it writes nothing."""

    def _open(self) -> io.TextIOWrapper:
        try:
            file = open_to_append(Path(self.baseFilename))
        except OSError:  # no reason to end the measurement that logs something
            return Path(os.devnull).open("a", encoding=self.encoding)
        return io.TextIOWrapper(file, encoding=self.encoding, errors=self.errors)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Let a line be lost for which the disk has no room: whoever logs it has said the same on the screen."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
