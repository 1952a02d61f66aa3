"""MLflow's database file. It is made and migrated under another name, and renamed when it is whole.

MLflow makes the schema of a new file in dozens of steps, and migrates an older schema in as many. A process that is
killed between two steps would leave a file that MLflow neither uses nor repairs. This module also corrects the folder
of the artifacts when the output folder was moved.
"""

import glob
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlparse

from filelock import FileLock

from crossover.mlflow_settings import SQLITE, database_uri

BESIDE = ("-journal", "-wal", "-shm")
"""Endings of the files that SQLite keeps beside a database; they must not outlive it."""


def ready_database(file: Path) -> None:
    """Make sure that `file` is a whole database of the installed MLflow; a half-made database is replaced.

    Raises:
        OSError: when it cannot be written.
        sqlite3.Error: when it is something else than a database, or is damaged.
    """
    if _is_whole(file):
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f".{file.name}.lock")):
        if not _is_whole(file):
            _make(file)


def follow_artifacts(file: Path, experiment: str, artifacts: Path) -> None:
    """Point the experiment and its runs at `artifacts` when the output folder was moved or copied to where it is now.

    A folder that is still there keeps its place, unless ours is a copy of it: output folders may share a database.
    """
    with _opened(file) as database:
        row = database.execute(
            "SELECT experiment_id, artifact_location FROM experiments WHERE name = ?", (experiment,)
        ).fetchone()
        old, new = "" if row is None else row[1] or "", artifacts.as_uri()
        if row is None or old == new or not old.startswith("file:") or not _was_moved(old, file, artifacts):
            return
        database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, row[0]))
        database.execute(
            "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?)"
            " WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
            (new, len(old) + 1, row[0], len(old) + 1, f"{old}/"),
        )
        database.commit()


def _was_moved(old: str, file: Path, artifacts: Path) -> bool:
    """Whether artifacts that the database says lie at `old` lie at `artifacts`, as far as the disk tells."""
    is_gone = not Path(unquote(urlparse(old).path)).exists()
    return is_gone or (file.parent == artifacts.parent and artifacts.exists())


def _make(file: Path) -> None:
    """Put a whole database in place: an empty one, or what was there brought to the installed MLflow's schema."""
    for left_behind in file.parent.glob(f".{glob.escape(file.name)}.*.partial"):
        shutil.rmtree(left_behind, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{file.name}.", suffix=".partial", dir=file.parent))
    try:
        made = folder / file.name
        if _has_experiments(file):
            _copy(file, made)
        _migrate(made)
        for ending in BESIDE:
            file.with_name(file.name + ending).unlink(missing_ok=True)
        made.replace(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _migrate(file: Path) -> None:
    """Let MLflow make what is missing; its first experiment comes last."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=database_uri(f"{SQLITE}{file}")).search_experiments(max_results=1)


def _copy(file: Path, target: Path) -> None:
    with _opened(file) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _is_whole(file: Path) -> bool:
    """Whether MLflow would use the file as it is: with all of its tables, and an experiment in them."""
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 (it declares the tables)
    from mlflow.store.db.base_sql_model import Base

    return _tables(file) >= {*Base.metadata.tables} and _has_experiments(file)


def _has_experiments(file: Path) -> bool:
    """Whether the file was ever a whole database: MLflow makes the first experiment after everything else."""
    if "experiments" not in _tables(file):
        return False
    with _opened(file) as database:
        return database.execute("SELECT 1 FROM experiments LIMIT 1").fetchone() is not None


def _tables(file: Path) -> set[str]:
    if not file.exists():
        return set()
    with _opened(file) as database:
        return {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    """A database that is there. It may be written to, so that SQLite can undo what a killed process left undone."""
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=20)) as database:
        yield database
