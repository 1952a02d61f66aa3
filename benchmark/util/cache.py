"""Files that this program keeps between its runs, in the user's cache folder. Losing them costs only time."""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.util.files import replace_file


def cache_file(name: str) -> Path:
    """The file of this name in the cache folder, whether or not there is one."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "crossover" / name


def read_cache(name: str) -> dict[str, Any]:
    """The entries that were kept under this name; none where the file cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(cache_file(name).read_text(encoding="utf-8"))
        return known if isinstance(known, dict) else {}
    return {}


def extend_cache(name: str, news: Mapping[str, Any]) -> None:
    """Add entries under this name. A cache that cannot be written is left as it is."""
    file = cache_file(name)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, json.dumps(read_cache(name) | dict(news), indent=1))
