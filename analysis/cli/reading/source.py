"""Where records come from, as a command line names it: folders, files, MLflow experiments."""

from collections.abc import Sequence
from pathlib import Path

from crossover.errors import UserError
from crossover.records.load import Source, find, from_file

MLFLOW = "mlflow:"
STORE = "sqlite:///outputs/mlflow.db"
"""The local store of the benchmark's default output_dir."""


def sources(names: Sequence[str], tracking_uri: str = STORE) -> list[Source]:
    """Every record that `names` stand for, still unread.

    Raises:
        UserError: when a name stands for none.
    """
    return [source for name in names for source in _sources(name, tracking_uri)]


def _sources(name: str, tracking_uri: str) -> list[Source]:
    if not name.startswith(MLFLOW):
        return [from_file(file) for file in find(Path(name))]
    experiment = name.removeprefix(MLFLOW)
    if not experiment:
        raise UserError(f"{MLFLOW} names no experiment: give {MLFLOW}EXPERIMENT, such as {MLFLOW}crossover")
    from analysis.cli.reading.mlflow_source import experiment_sources

    return experiment_sources(experiment, tracking_uri)
