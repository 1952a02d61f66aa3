"""What names files and orders records, checked where it is read: others may have written it."""

import re
from datetime import datetime

KEY = re.compile(r"[0-9a-f]{16}")
"""A run's key. Files are named by it, so it is no path."""
STAMP = "%Y%m%dT%H%M%S.%f"


def record_name(replicate_key: str, started_at: str) -> str:
    """The name of a record's file, without its ending."""
    return f"{replicate_key}-{datetime.fromisoformat(started_at).strftime(STAMP)}"


def check_key(key: str) -> None:
    """Refuse what is no key of a run.

    Raises:
        ValueError: quoting it.
    """
    if not KEY.fullmatch(key):
        raise ValueError(f"key {key[:40]!r} is none: expected 16 hexadecimal digits")


def check_moment(name: str, text: str) -> None:
    """Refuse what is no moment in ISO 8601 with its time zone, by the name of its field.

    Raises:
        ValueError: quoting it.
    """
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        zone = None
    if zone is None:
        raise ValueError(
            f"{name} {text[:40]!r} is no time: expected ISO 8601 with a time zone, as 2026-03-01T12:00:00+00:00"
        )
