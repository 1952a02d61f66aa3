"""The end of a log, which is where a job says what became of it."""

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
