import os
from pathlib import Path

import pytest

from benchmark.store.journal import Journal
from crossover.errors import UserError
from crossover.records.load import load
from tests.disks import fill, small_disk
from tests.factories import a_measurement, a_record, a_run, a_sample


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(output_dir=tmp_path / "outputs")
    journal.prepare()
    return journal


def test_a_record_lies_in_a_file_named_by_its_key_and_its_start(journal: Journal) -> None:
    path = journal.write(a_record())
    assert path == journal.output_dir / "records" / f"{a_run().key}-20260301T120000.000000.json"
    assert load([path]).records == (a_record(),)


def test_an_earlier_record_is_never_overwritten(journal: Journal) -> None:
    path = journal.write(a_record())
    with pytest.raises(FileExistsError):
        journal.write(a_record(sweep="another"))
    assert load([path]).records[0].sweep == "sweep-1"
    assert list(journal.folder.iterdir()) == [path]


def test_a_later_run_of_the_same_point_has_a_file_of_its_own(journal: Journal) -> None:
    journal.write(a_record())
    journal.write(a_record(started_at="2026-03-01T12:00:00.000001+00:00"))
    assert len(list(journal.folder.glob("*.json"))) == 2


def test_a_record_that_cannot_be_written_leaves_nothing_behind(journal: Journal) -> None:
    unwritable = a_record(measurement=a_measurement(samples=(a_sample(latency_s=float("nan")),)))
    with pytest.raises(ValueError, match=r"measurement\.samples\.0\.latency_s is not a finite number"):
        journal.write(unwritable)
    assert list(journal.folder.iterdir()) == []


def test_a_file_that_is_still_being_written_is_not_read(journal: Journal) -> None:
    text = a_record().to_json()
    (journal.folder / ".abc.partial").write_text(text[: len(text) // 2])
    journal.write(a_record())
    assert load(journal.folder.glob("*.json")).records == (a_record(),)
    assert len(journal.files({a_run().key})) == 1


def test_a_strangers_file_disturbs_nothing(journal: Journal) -> None:
    (journal.folder / "notes.json").write_text("{}")
    (journal.folder / "a-b.json").write_text("no json")
    journal.write(a_record())
    assert len(journal.files({a_run().key})) == 1


def test_preparing_twice_changes_nothing(journal: Journal) -> None:
    path = journal.write(a_record())
    journal.prepare()
    assert list(journal.folder.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"output_dir=.*/file cannot be written to \(Not a directory\): give another"):
        Journal(output_dir=tmp_path / "file").prepare()


def test_a_full_disk_is_said_in_the_beginning_and_leaves_nothing_half_made(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk") as disk:
            fill(disk)
            before = sorted(disk.rglob("*"))
            with pytest.raises(
                UserError, match=r"output_dir=\S*outputs cannot be written to \(No space left on device\)"
            ):
                Journal(output_dir=disk / "outputs").prepare()
            assert sorted(disk.rglob("*")) == before
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("only_looks", [True, False])
def test_a_journal_that_only_looks_writes_nothing_to_the_folder(journal: Journal, *, only_looks: bool) -> None:
    os.utime(journal.folder, (0, 0))
    Journal(output_dir=journal.output_dir, only_looks=only_looks).files(set())
    assert (journal.folder.stat().st_mtime == 0) is only_looks
