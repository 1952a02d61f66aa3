"""Logs of jobs: write to them, and read their last lines, which say how the job ended."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LINES = 30
BYTES = 16_384


def tail(file: Path) -> str | None:
    """The last lines of a file; None when there are none."""
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - BYTES))
            text = log.read().decode("utf-8", errors="replace")
    except OSError:
        return None
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines[-LINES:]).strip() or None


@contextmanager
def logging_to(file: Path) -> Iterator[None]:
    """Send what the libraries log to a file instead of the screen."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    handler = logging.FileHandler(file, delay=True, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    root.handlers, root.level = [handler], logging.INFO
    try:
        yield
    finally:
        root.handlers, root.level = before, level
        handler.close()
