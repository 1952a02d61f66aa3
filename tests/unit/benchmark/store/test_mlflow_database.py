"""MLflow's database file is whole or not there, whatever stops the process that makes it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from benchmark.store import mlflow_database
from benchmark.store.journal import Journal
from benchmark.store.mlflow_database import follow_artifacts, ready_database
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import Tracker
from crossover.mlflow_settings import database_file, database_uri
from tests.factories import a_record, a_run

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("whole") / "mlflow.db"
    ready_database(file)
    return file


@pytest.fixture
def half(whole: Path, tmp_path: Path) -> Path:
    """What a process leaves that is killed between two steps of MLflow's migration."""
    file = tmp_path / "mlflow.db"
    shutil.copy(whole, file)
    change(file, "DELETE FROM experiments", "DELETE FROM alembic_version", "DROP TABLE webhooks")
    return file


def change(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def experiments(file: Path) -> set[str]:
    client: Any = MlflowClient(tracking_uri=database_uri(f"sqlite:///{file}"))
    return {experiment.name for experiment in client.search_experiments()}


def test_a_file_that_was_left_half_made_is_made_anew(half: Path, tmp_path: Path) -> None:
    """MLflow itself does not use it again."""
    shutil.copy(half, tmp_path / "other.db")
    with pytest.raises(Exception, match=r"already exists|duplicate column"):
        experiments(tmp_path / "other.db")
    ready_database(half)
    assert experiments(half) == {"Default"}


def test_a_file_without_a_byte_is_made_anew(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves one; so may a journal of a killed process, which must not be played into the new file."""
    monkeypatch.setattr(mlflow_database, "_migrate", lambda made: shutil.copy(whole, made))
    file, left_behind = tmp_path / "mlflow.db", tmp_path / ".mlflow.db.abc.partial"
    file.touch()
    left_behind.mkdir()
    beside = [tmp_path / f"mlflow.db{ending}" for ending in ("-journal", "-wal", "-shm")]
    for each in beside:
        each.write_bytes(b"of a file that is gone")
    ready_database(file)
    assert experiments(file) == {"Default"}
    assert not any(each.exists() for each in (left_behind, *beside))


def test_what_a_process_left_behind_is_removed_whatever_the_file_is_called(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_database, "_migrate", lambda made: shutil.copy(whole, made))
    left_behind = tmp_path / "new" / ".a[1].db.abc.partial"
    left_behind.mkdir(parents=True)
    ready_database(tmp_path / "new" / "a[1].db")
    assert not left_behind.exists()


def test_a_database_without_the_experiment_that_comes_last_is_made_anew(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_database, "_migrate", lambda made: shutil.copy(whole, made))
    file = tmp_path / "mlflow.db"
    shutil.copy(whole, file)
    change(file, "DELETE FROM experiments")
    ready_database(file)
    assert experiments(file) == {"Default"}


def test_a_database_that_another_process_made_meanwhile_is_used(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "deep" / "deeper" / "mlflow.db"

    class Waited:
        """A lock that another process held until it had made the database."""

        def __init__(self, _: Path) -> None:
            shutil.copy(whole, file)

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(mlflow_database, "FileLock", Waited)
    monkeypatch.setattr(mlflow_database, "_make", lambda _: pytest.fail("it was made again"))
    ready_database(file)


def test_a_process_that_is_stopped_leaves_the_file_as_it_was(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older MLflow's database, with runs in it, is migrated as a copy."""
    file = tmp_path / "mlflow.db"
    shutil.copy(whole, file)
    change(file, "DROP TABLE webhooks", "UPDATE experiments SET name = 'mine'")
    before = file.read_bytes()

    def stopped(made: Path) -> None:
        with closing(sqlite3.connect(made)) as copy:
            assert copy.execute("SELECT name FROM experiments").fetchall() == [("mine",)]
        change(made, "DROP TABLE runs")
        raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_database, "_migrate", stopped)
    with pytest.raises(KeyboardInterrupt):
        ready_database(file)
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine " * 300)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        ready_database(file)
    assert file.read_text().startswith("mine")


@pytest.mark.parametrize("name", ["a?b", "a%20b", "a#b", "a b", "q?x=1"])
def test_the_database_lies_where_its_folder_is_named(name: str, tmp_path: Path, whole: Path) -> None:
    file = tmp_path / name / "mlflow.db"
    uri = database_uri(f"sqlite:///{file}")
    assert database_file(uri) == file
    file.parent.mkdir()
    shutil.copy(whole, file)
    change(file, "UPDATE experiments SET name = 'here'")
    ready_database(file)
    assert experiments(file) == {"here"}
    assert database_uri(uri) == uri


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_artifacts_follow_a_folder_to_its_new_place(how: str, tmp_path: Path, whole: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    logged(old, whole, a_run(batch=1))
    if how == "copied":
        shutil.copytree(old, new)
    else:
        old.rename(new)
    tracker = logged(new, whole, a_run(batch=2))
    runs = runs_of(tracker)
    assert {run.info.artifact_uri.startswith((new / "artifacts").as_uri()) for run in runs} == {True}
    with_artifacts = {file.parent.parent.name for file in new.rglob("record.json")}
    assert with_artifacts == {run.info.run_id for run in runs}
    assert len(list(old.rglob("record.json"))) == int(how == "copied")


def test_output_folders_that_share_a_database_leave_each_others_artifacts_alone(tmp_path: Path, whole: Path) -> None:
    logged(tmp_path / "one", whole, a_run(batch=1))
    other = Tracker(f"sqlite:///{tmp_path}/one/mlflow.db", "tests", tmp_path / "two" / "artifacts")
    (tmp_path / "two" / "artifacts").mkdir(parents=True)
    other.prepare()
    assert {run.info.artifact_uri.startswith((tmp_path / "one").as_uri()) for run in runs_of(other)} == {True}


def a_store(file: Path, location: str, *runs: tuple[str, str]) -> Path:
    """The two tables that hold locations: the experiment `tests` with a location, and runs with theirs."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT)")
        database.execute("CREATE TABLE runs (experiment_id INTEGER, artifact_uri TEXT)")
        database.execute("INSERT INTO experiments VALUES (1, 'tests', ?)", (location,))
        database.executemany("INSERT INTO runs VALUES (?, ?)", runs)
        database.commit()
    return file


def locations(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        (location,) = database.execute("SELECT artifact_location FROM experiments").fetchone()
        return [location, *(uri for (uri,) in database.execute("SELECT artifact_uri FROM runs ORDER BY rowid"))]


def test_only_the_experiments_own_artifacts_follow(tmp_path: Path) -> None:
    old, new = "file:///gone/artifacts", (tmp_path / "artifacts").as_uri()
    runs = [("1", f"{old}/a/artifacts"), ("2", f"{old}/b/artifacts"), ("1", f"{old}-other/c"), ("1", "s3://bucket/d")]
    file = a_store(tmp_path / "mlflow.db", old, *runs)
    follow_artifacts(file, "tests", tmp_path / "artifacts")
    assert locations(file) == [new, f"{new}/a/artifacts", *(uri for _, uri in runs[1:])]


@pytest.mark.parametrize("location", ["s3://bucket/artifacts", "mlflow-artifacts:/1", ""])
def test_artifacts_that_lie_on_no_disk_follow_nobody(tmp_path: Path, location: str) -> None:
    file = a_store(tmp_path / "mlflow.db", location, ("1", f"{location}/a"))
    follow_artifacts(file, "tests", tmp_path / "artifacts")
    follow_artifacts(file, "another", tmp_path / "artifacts")
    assert locations(file) == [location, f"{location}/a"]


def test_an_experiment_that_was_deleted_is_restored(tmp_path: Path, whole: Path) -> None:
    """MLflow's pages delete it softly; until it is restored, no run can be logged to it."""
    tracker = logged(tmp_path / "outputs", whole, a_run(batch=1))
    client: Any = MlflowClient(tracking_uri=tracker.uri)
    client.delete_experiment(client.get_experiment_by_name("tests").experiment_id)
    logged(tmp_path / "outputs", whole, a_run(batch=2))
    assert len(runs_of(tracker)) == 2


def logged(folder: Path, whole: Path, run: Any) -> Tracker:
    """A tracker with its database in an output folder, brought to the state of a journal with one record more."""
    journal = Journal(output_dir=folder)
    journal.prepare()
    if not (folder / "mlflow.db").exists():
        shutil.copy(whole, folder / "mlflow.db")
    journal.write(a_record(run))
    tracker = Tracker(f"sqlite:///{folder}/mlflow.db", "tests", folder / "artifacts")
    synced = sync(journal, tracker)
    assert (synced.added, synced.reason) == (1, None)
    return tracker


def runs_of(tracker: Tracker) -> list[Any]:
    client: Any = MlflowClient(tracking_uri=tracker.uri)
    return list(client.search_runs([client.get_experiment_by_name("tests").experiment_id]))
