import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import Synced, sync
from benchmark.store.mlflow_tracker import Entry, Tracker
from benchmark.util.deadline import Deadline
from crossover.records.record import Record
from tests.factories import a_record, a_run
from tests.journals import written


def test_a_store_that_is_not_there_is_said_and_not_raised(tmp_path: Path) -> None:
    written(tmp_path)
    tracker = Tracker("http://127.0.0.1:9", "dead", tmp_path / "artifacts")
    synced = sync(Journal(output_dir=tmp_path / "outputs"), tracker)
    nothing = Synced(added=0, kept=0, withdrawn=0, left=0, unreadable=(), reason=synced.reason)
    assert synced == nothing
    assert "refused" in synced.line()


class Refusing(Tracker):
    """A store that is read at once and takes nothing; how long it takes to refuse."""

    seconds = 0.0
    asked: ClassVar[list[float]] = []

    def prepare(self) -> None:
        """There it is."""

    def entries(self, condition: str = "") -> Iterator[Entry]:
        del condition
        return iter(())

    def put(self, record: Record, file: Path, deadline: Deadline) -> None:
        del record, file
        self.asked.append(deadline.seconds)
        time.sleep(self.seconds)
        raise RuntimeError(f"refusal {len(self.asked)}")


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., Synced]:
    """Synchronises four records with such a store."""
    journal = Journal(output_dir=tmp_path)
    journal.prepare()
    for batch in (1, 2, 4, 8):
        journal.write(a_record(a_run(batch=batch)))

    def synced(seconds: float, **options: Any) -> Synced:
        tracker = Refusing("", "tests", tmp_path)
        object.__setattr__(tracker, "seconds", seconds)
        Refusing.asked.clear()
        return sync(journal, tracker, **options)

    return synced


def test_a_store_that_refuses_at_once_is_asked_for_each_record(refused: Callable[..., Synced]) -> None:
    told: list[tuple[int, int]] = []
    synced = refused(0.0, progress=lambda done, total: told.append((done, total)))
    assert (synced.left, synced.reason, len(Refusing.asked)) == (4, "refusal 1", 4)
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_a_store_that_refuses_slowly_is_asked_once(
    refused: Callable[..., Synced], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.store.mlflow_sync.SLOW_S", 0.01)
    synced = refused(0.02)
    assert (synced.left, synced.reason, len(Refusing.asked)) == (4, "refusal 1", 1)


def test_a_limit_ends_it_in_time_and_says_what_is_left(refused: Callable[..., Synced]) -> None:
    synced = refused(1.0, limit_s=0.2)
    assert (synced.left, synced.reason) == (4, "no answer within 0 s")
    assert max(Refusing.asked) <= 0.2
    assert "4 not taken" in synced.line()
