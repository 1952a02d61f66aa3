"""Records from an MLflow experiment: each run's record.json, from a local store or from a server."""

import logging
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from crossover.addresses import masked_text, without_credentials
from crossover.errors import UserError, first_line
from crossover.mlflow_settings import SQLITE, database_file, database_uri, set_mlflow_defaults
from crossover.records.load import Source

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run, RunInfo

ARTIFACT = "record.json"
PAGE = 1000
"""Runs that one request asks for."""

set_mlflow_defaults(retries=2, timeout_s=30)


def experiment_sources(experiment: str, uri: str) -> list[Source]:
    """One source for each run of the experiment.

    Raises:
        UserError: when the store does not answer, or has no such experiment, or no run in it.
    """
    uri = without_credentials(uri, "--tracking-uri")
    if uri.startswith(SQLITE):
        uri = database_uri(uri)
        if not database_file(uri).is_file():
            raise UserError(
                f"--tracking-uri {uri}: there is no such file: give sqlite:///OUTPUT_DIR/mlflow.db, or a server"
            )
    try:
        runs = list(_runs(experiment, uri))
    except UserError:
        raise
    except Exception as error:  # the client raises its transport's and its database's errors too
        raise UserError(
            f"--tracking-uri {uri}: the MLflow store does not answer ({masked_text(first_line(error))[:200]})"
        ) from error
    if not runs:
        raise UserError(f"experiment {experiment!r} in {uri} has no runs: name another, mlflow:EXPERIMENT")
    return [(f"mlflow run {run.info.run_id}", partial(_content, run.info, uri)) for run in runs]


def _runs(experiment: str, uri: str) -> Iterator["Run"]:
    client = _client(uri)
    info = client.get_experiment_by_name(experiment)
    if info is None:
        known = ", ".join(sorted(each.name for each in client.search_experiments()))
        raise UserError(f"there is no experiment {experiment!r} in {uri}: it has {known}")
    token = None
    while True:
        page = client.search_runs([info.experiment_id], max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _content(info: "RunInfo", uri: str) -> bytes:
    """A run's record; straight from the disk where the artifacts lie on one."""
    address = urlparse(info.artifact_uri)
    if address.scheme in {"", "file"}:
        return (Path(unquote(address.path)) / ARTIFACT).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        try:
            return Path(_client(uri).download_artifacts(info.run_id, ARTIFACT, folder)).read_bytes()
        except Exception as error:  # as above; whatever it is, the other runs are still to be read
            raise OSError(f"its {ARTIFACT} cannot be read: {error}") from error


def _client(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    logging.getLogger("alembic").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=uri)
