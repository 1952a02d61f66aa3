from pathlib import Path

import pytest

from analysis.cli.reading.mlflow_source import experiment_sources
from benchmark.store.mlflow_tracker import Tracker
from crossover.errors import UserError
from crossover.records.load import read
from tests.factories import a_failed_record, a_record

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A local store with a measured and a failed run, and one whose record is gone."""
    tracker = Tracker(f"sqlite:///{tmp_path / 'mlflow.db'}", "crossover", tmp_path / "artifacts")
    tracker.prepare()
    for number, record in enumerate((a_record(), a_failed_record(), a_record())):
        file = tmp_path / f"record-{number}.json"
        file.write_text(record.to_json(), encoding="utf-8")
        assert tracker.log(record, file) is None
    next(iter((tmp_path / "artifacts").rglob("record.json"))).unlink()
    return tracker.uri


def test_the_records_of_an_experiment_are_its_artifacts(uri: str) -> None:
    loaded = read(experiment_sources("crossover", uri))
    assert len(loaded.records) == 2
    (rejected,) = loaded.rejected
    assert rejected.startswith("mlflow run ")


def test_an_experiment_that_is_not_there_is_told_with_those_that_are(uri: str) -> None:
    with pytest.raises(UserError, match=r"no experiment 'other' .* it has .*crossover"):
        experiment_sources("other", uri)


def test_a_store_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="the MLflow store does not answer"):
        experiment_sources("crossover", "http://127.0.0.1:9")
