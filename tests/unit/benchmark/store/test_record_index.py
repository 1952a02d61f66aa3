"""Each file of a journal is read once, whoever asks how often."""

from pathlib import Path
from typing import Any

import pytest

from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
from crossover.records.load import Loaded, Source, read
from crossover.records.record import Record
from crossover.records.run import Run
from tests.factories import a_measurement, a_record, a_run

RUN = a_run()
KEY = RUN.key
LATER = "2026-03-01T13:00:00+00:00"


def kept(run: Run = RUN, **changes: Any) -> Record:
    """A record that has no texts, which the index does not keep."""
    return a_record(run, measurement=a_measurement(generated=()), **changes)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(output_dir=tmp_path / "outputs")
    journal.prepare()
    return journal


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are parsed, one each time."""
    names: list[str] = []

    def count(sources: list[Source], *, keep_texts: bool) -> Loaded:
        names.extend(Path(name).name for name, _ in sources)
        return read(sources, keep_texts=keep_texts)

    monkeypatch.setattr("benchmark.store.record_index.read", count)
    return names


def test_a_file_is_read_once_and_a_new_one_when_it_is_there(journal: Journal, parsed: list[str]) -> None:
    index = RecordIndex(journal)
    first = journal.write(kept())
    for _ in range(3):
        index.refresh({KEY})
    assert index.of({KEY}) == [kept()]
    second = journal.write(kept(started_at=LATER))
    assert index.of({KEY}) == [kept()]  # nobody looked since
    index.refresh({KEY})
    assert index.of({KEY}) == [kept(), kept(started_at=LATER)]
    assert parsed == [first.name, second.name]


def test_only_the_records_of_the_runs_in_question_are_read_in_the_order_of_their_start(
    journal: Journal, parsed: list[str]
) -> None:
    late = kept(started_at=LATER)
    for record in (late, kept(a_run(batch=1)), kept(a_run(batch=4))):
        journal.write(record)
    keys = {KEY, a_run(batch=4).key}
    index = RecordIndex(journal)
    index.refresh(keys)
    assert index.of(keys) == [kept(a_run(batch=4)), late]
    assert index.of({a_run(batch=1).key}) == []
    assert len(parsed) == 2


def test_a_broken_file_is_read_once_and_set_aside_once(journal: Journal, parsed: list[str]) -> None:
    index = RecordIndex(journal)
    broken = journal.write(kept())
    broken.write_text(kept().to_json()[:1000])
    index.refresh({KEY})
    index.refresh({KEY})
    assert parsed == [broken.name]
    (line,) = index.set_aside_broken({KEY})
    assert line.startswith(f"set aside, since it cannot be read, and run again: {broken}")
    assert [file.name for file in journal.folder.iterdir()] == [f"{broken.name}.broken"]
    assert index.set_aside_broken({KEY}) == []


def test_broken_files_of_other_runs_stay(journal: Journal) -> None:
    index = RecordIndex(journal)
    journal.write(kept()).write_text("{")
    index.refresh({KEY})
    assert index.set_aside_broken({a_run(batch=4).key}) == []
    assert len(list(journal.folder.glob("*.json"))) == 1


def test_a_file_that_the_file_system_does_not_give_is_tried_again(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = RecordIndex(journal)
    journal.write(kept())

    def stale(_: Path) -> bytes:
        raise OSError("Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr("benchmark.store.record_index.read_bytes", stale)
        index.refresh({KEY})
    assert index.of({KEY}) == []
    index.refresh({KEY})
    assert index.of({KEY}) == [kept()]


def test_a_record_that_was_removed_is_forgotten(journal: Journal) -> None:
    index = RecordIndex(journal)
    path = journal.write(kept())
    index.refresh({KEY})
    path.unlink()
    index.refresh({KEY})
    assert index.of({KEY}) == []
