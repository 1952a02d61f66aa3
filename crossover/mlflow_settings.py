"""How MLflow's client behaves in our programs, and how a database file is spelled for it."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from crossover.errors import UserError

SQLITE = "sqlite:///"
"""What the address of a database file begins with."""

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def set_mlflow_defaults(*, retries: int, timeout_s: int) -> None:
    """Keep MLflow quiet, and bound how often and how long it asks a server. What the user has set stays.

    To be called before MLflow is imported, which reads some of it once.
    """
    asking = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries), "MLFLOW_HTTP_REQUEST_TIMEOUT": str(timeout_s)}
    for name, value in (QUIET | asking).items():
        os.environ.setdefault(name, value)


def database_uri(uri: str) -> str:
    """`sqlite:///FILE`, spelled so that SQLAlchemy reads just this FILE: its versions differ in what they decode.

    Raises:
        UserError: when the installed version has no spelling for it.
    """
    file = uri.removeprefix(SQLITE)
    if not re.search(r"[?%#]", file):
        return uri
    from sqlalchemy.engine import make_url

    if not Path(file).exists() and Path(make_url(uri).database or "").is_file():
        return uri  # it is spelled so already
    for spelling in (uri, f"{SQLITE}{quote(file)}"):
        if make_url(spelling).database == file:
            return spelling
    raise UserError(f"{uri}: SQLAlchemy cannot open a database in a folder with ?, % or # in its name: give another")


def database_file(uri: str) -> Path:
    """The file that SQLAlchemy opens for `sqlite:///...`."""
    from sqlalchemy.engine import make_url

    return Path(make_url(uri).database or "")
