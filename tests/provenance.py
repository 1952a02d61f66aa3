"""When and where a page of results was made, as its program prints it."""

import platform
from datetime import UTC, datetime

from benchmark.hardware.environment import cpu_name


def provenance() -> str:
    """Date, processor and Python."""
    return f"{datetime.now(UTC).date()}, {cpu_name()}, Python {platform.python_version()}"
