"""Measure when a diffusion language model beats an autoregressive one.

From Python: `run` measures a grid, `load` reads its records, `frame`, `answers` and `figure` show them (docs/api.md).
The package itself is the base of all others: records, errors for users, and output to the terminal.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.api import answers, figure, frame, load
    from benchmark.api import run

__version__ = "0.1.0"
__all__ = ["__version__", "answers", "figure", "frame", "load", "run"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute is of any type
    """The functions for Python, imported at their first use: the packages that they need stand on this one."""
    match name:
        case "run":
            from benchmark.api import run

            return run
        case "answers" | "figure" | "frame" | "load":
            from analysis import api

            return {"answers": api.answers, "figure": api.figure, "frame": api.frame, "load": api.load}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
