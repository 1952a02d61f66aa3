"""How MLflow's client behaves in our programs. To be called before MLflow is imported, which reads some of it once."""

import os

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}


def set_mlflow_defaults(*, retries: int, timeout_s: int) -> None:
    """Keep MLflow quiet, and bound how often and how long it asks a server. What the user has set stays."""
    asking = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries), "MLFLOW_HTTP_REQUEST_TIMEOUT": str(timeout_s)}
    for name, value in (QUIET | asking).items():
        os.environ.setdefault(name, value)
