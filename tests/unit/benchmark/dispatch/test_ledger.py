import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.cli.messages import complaint
from benchmark.config.settings import Strictness
from benchmark.dispatch.ledger import SweepReader, read_sweep
from benchmark.dispatch.resume import resume_policy
from benchmark.store.journal import Journal
from crossover.errors import UserError
from crossover.terminal import ending_in_one_line
from tests.factories import a_record
from tests.sweeps import RUNS, a_sweep, records_of


def test_a_sweep_is_read_as_it_was_written(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    assert read_sweep(tmp_path, "sweep-1") == sweep
    assert [entry.run for entry in sweep.entries] == list(RUNS)
    assert sweep.indices[RUNS[1].key] == 1


def test_a_sweep_whose_folder_was_moved_lies_where_it_is_found(tmp_path: Path) -> None:
    a_sweep(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    (sweep,) = SweepReader(tmp_path / "after").all()
    sweep.close()
    assert (tmp_path / "after" / "sweeps" / "sweep-1" / "closed").exists()


def test_a_sweep_of_another_version_is_left_out_and_said_to_be_none(tmp_path: Path) -> None:
    a_sweep(tmp_path)
    broken = tmp_path / "sweeps" / "broken"
    broken.mkdir()
    (broken / "sweep.json").write_text('{"id": 1}')
    assert [sweep.id for sweep in SweepReader(tmp_path).all()] == ["sweep-1"]
    with pytest.raises(UserError, match="no sweep of this version"):
        read_sweep(tmp_path, "broken")


def test_each_ledger_is_read_once_and_a_closed_one_is_not_open(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    sweeps = SweepReader(tmp_path)
    assert sweeps.open(besides="another") == [sweep]
    (sweep.folder / "sweep.json").write_text("changed by nobody")
    assert sweeps.all() == sweeps.open(besides="another") == [sweep]
    assert sweeps.open(besides=sweep.id) == []
    sweep.close()
    assert sweeps.open(besides="another") == []


def test_a_ledger_whose_points_name_their_sweep_in_their_overrides_still_loads_and_resumes(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    file = sweep.folder / "sweep.json"
    ledger = json.loads(file.read_text())
    for index, entry in enumerate(ledger["entries"]):
        entry["overrides"] += ["sweep.id=sweep-1", f"sweep.index={index}"]
        entry["config"] = '{"sweep": {"name": "grid", "id": "sweep-1", "index": 0}}'
    file.write_text(json.dumps(ledger))
    Journal(output_dir=tmp_path).write(a_record(RUNS[0]))
    (older,) = SweepReader(tmp_path).open(besides="another")
    assert [point.run for point in older.entries] == list(RUNS)
    records = records_of(older)
    records.refresh(older.indices)
    assert list(resume_policy(older).done(records.of(older.indices))) == [RUNS[0].key]


def test_a_ledger_of_an_earlier_version_is_of_a_grid_that_knows_no_earlier_records_and_asks_for_no_clean_machine(
    tmp_path: Path,
) -> None:
    file = a_sweep(tmp_path).folder / "sweep.json"
    ledger = json.loads(file.read_text())
    later = {"search", "earlier", "strict"}
    file.write_text(json.dumps({name: value for name, value in ledger.items() if name not in later}))
    older = read_sweep(tmp_path, "sweep-1")
    assert (older.search, older.earlier, older.strict) == (False, None, Strictness.off)


def test_a_ledger_that_a_full_disk_does_not_take_leaves_no_folder_and_names_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SystemExit) as ended, ending_in_one_line(complaint):
        replace(sweep, id="sweep-2").write()
    assert ended.value.code == 2
    assert "sweeps/sweep-2/sweep.json: No space left on device" in capsys.readouterr().err
    assert [each.name for each in (tmp_path / "sweeps").iterdir()] == ["sweep-1"]


def test_sweeps_come_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    for number, sweep in enumerate(["second", "third", "first"]):
        file = a_sweep(tmp_path, id=sweep).folder / "sweep.json"
        os.utime(file, (0, (number + 1) % 3))
    assert [sweep.id for sweep in SweepReader(tmp_path).all()] == ["first", "second", "third"]


def test_a_ledger_that_the_file_system_did_not_give_is_read_when_it_does(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    file = sweep.folder / "sweep.json"
    file.rename(sweep.folder / "away")
    file.mkdir()
    sweeps = SweepReader(tmp_path)
    assert sweeps.all() == []
    assert "sweep.json" in "".join(sweeps.unreadable)
    file.rmdir()
    (sweep.folder / "away").rename(file)
    assert sweeps.all() == [sweep]
    assert sweeps.unreadable == []
