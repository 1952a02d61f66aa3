import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmark.cli.status import expected_end, main
from benchmark.dispatch.batches import add_batch, new_batch
from benchmark.dispatch.claims import Claims, this_process
from benchmark.dispatch.ledger import Sweep
from benchmark.dispatch.point_status import JobStatus
from benchmark.store.journal import Journal
from crossover.records.load import find, load
from crossover.records.record import FailureKind
from tests.disks import read_only
from tests.factories import EVIL_NAME, STARTED, a_failed_record, a_record, a_run
from tests.paths import ROOT
from tests.sweeps import RUNS, a_sweep, an_owner, progress, status


def test_points_are_counted_by_what_has_become_of_them(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    Journal(output_dir=tmp_path).write(a_record(RUNS[0]))
    counts = progress(sweep, [status(sweep, 1, JobStatus.running), status(sweep, 2, JobStatus.queued)])
    assert (counts.done, counts.running, counts.queued, counts.untried, counts.failed) == (1, 1, 1, 0, ())
    assert counts.is_live


def test_a_point_that_failed_and_runs_again_is_running(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    Journal(output_dir=tmp_path).write(a_failed_record(RUNS[0], kind=FailureKind.preempted))
    assert len(progress(sweep, []).failed) == 1
    counts = progress(sweep, [status(sweep, 0, JobStatus.running)])
    assert (counts.running, counts.failed, counts.untried) == (1, (), 2)


@pytest.mark.parametrize("search", [False, True])
def test_points_that_a_search_spared_are_not_left_behind(tmp_path: Path, *, search: bool) -> None:
    counts = progress(a_sweep(tmp_path, search=search), [])
    assert counts.untried == 3
    assert counts.is_left is not search


def test_a_result_is_no_failure(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    Journal(output_dir=tmp_path).write(a_failed_record(RUNS[0]))
    counts = progress(sweep, [])
    assert (counts.results, counts.failed, counts.untried) == (1, (), 2)


def test_the_end_is_expected_at_the_pace_so_far() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    half_a_minute = [a_record(), a_record()]
    assert expected_end(half_a_minute, left=4, at_once=2, now=now) == now + timedelta(minutes=1)
    assert expected_end(half_a_minute, left=5, at_once=2, now=now) == now + timedelta(minutes=1.5)
    assert expected_end([], left=4, at_once=2, now=now) is None
    assert expected_end(half_a_minute, left=0, at_once=0, now=now) is None


def test_it_shows_a_table_and_why_points_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = a_sweep(tmp_path)
    part = new_batch([[0], [1], [2]], STARTED, slurm=False)
    add_batch(sweep, part)
    assert part.pid == this_process("").pid
    journal = Journal(output_dir=tmp_path)
    journal.write(a_record(RUNS[0]))
    journal.write(a_failed_record(RUNS[1], kind=FailureKind.killed, message="gone"))
    main([str(tmp_path)])
    said = capsys.readouterr().out
    assert "sweep-1" in said
    assert "killed: gone" not in said  # its driver, this process, lives: the point counts as queued
    sweep.close()
    main([str(tmp_path)])
    said = capsys.readouterr().out
    assert f"{RUNS[1].name}: killed: gone" in said
    assert "The same command runs again" in said


def test_no_number_is_cut_on_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns that would be empty are left out, and a sweep's name is broken into lines."""
    a_sweep(tmp_path).close()
    monkeypatch.setattr("crossover.terminal.PLAIN_WIDTH", 50)
    main([str(tmp_path)])
    out = capsys.readouterr().out
    assert "not tried" in out
    assert "expected end" not in out
    assert "\u2026" not in out


def test_following_a_sweep_that_is_over_shows_it_once_and_ends_its_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a_sweep(tmp_path).close()
    main([str(tmp_path), "--follow"])
    followed = capsys.readouterr().out
    main([str(tmp_path)])
    assert followed == capsys.readouterr().out


def test_a_folder_without_sweeps_gets_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path)])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def with_a_lost_point(folder: Path) -> Sweep:
    """A sweep under way: one point is measured, one was killed with its driver and left no record, one waits."""
    sweep = a_sweep(folder)
    part = replace(new_batch([[0], [1], [2]], STARTED, slurm=False), created=0.0, identity=None)
    add_batch(sweep, part)
    Journal(output_dir=folder).write(a_record(RUNS[0]))
    elsewhere = an_owner(host="elsewhere", since="2026-03-01T12:05:00+00:00")
    for key, owner in ((RUNS[1].key, an_owner(identity=None, host=part.host)), (RUNS[2].key, elsewhere)):
        Claims(folder).take(key, owner)
    return sweep


def state(folder: Path) -> dict[str, tuple[int, int, bytes | None]]:
    """Every file with its content; of folders too when they were changed last, since a file may have come and gone."""
    return {
        str(each): (each.stat().st_mtime_ns, each.stat().st_ino, each.read_bytes() if each.is_file() else None)
        for each in sorted([folder, *folder.rglob("*")])
    }


def test_a_look_writes_nothing_and_says_what_a_record_would_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_a_lost_point(tmp_path)
    before = state(tmp_path)
    main([str(tmp_path)])
    looked = capsys.readouterr().out
    assert state(tmp_path) == before
    assert f"{RUNS[1].name}: killed: process 1 on" in looked
    main([str(tmp_path), "--reconcile"])
    assert capsys.readouterr().out == looked
    assert {record.run.batch for record in load(find(tmp_path)).records} == {1, 2}
    main([str(tmp_path)])
    assert capsys.readouterr().out == looked


def test_the_sweep_of_somebody_else_is_shown_in_a_folder_that_may_not_be_written_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_a_lost_point(tmp_path / "outputs")
    main([str(tmp_path / "outputs")])
    looked = capsys.readouterr().out
    try:
        with read_only(tmp_path / "outputs", tmp_path / "seen") as seen:
            with pytest.raises(OSError, match="Read-only"):
                (seen / "file").touch()
            main([str(seen)])
    except PermissionError as error:
        pytest.skip(str(error))
    assert capsys.readouterr().out == looked


def test_times_that_lie_ages_apart_give_no_end() -> None:
    ages = [a_record(finished_at="9999-12-31T00:00:00+00:00")]
    assert expected_end(ages, left=10**6, at_once=1) is None


def test_a_name_and_a_message_are_shown_as_they_were_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(model=replace(a_run().model, name=EVIL_NAME))
    a_sweep(tmp_path, (run,)).close()
    Journal(output_dir=tmp_path).write(a_failed_record(run, kind=FailureKind.killed, message=f"lost {EVIL_NAME}"))
    main([str(tmp_path)])
    shown = r"[/b] :smile: [red]small[/red]\ \x1b[2J"
    said = capsys.readouterr().out
    assert f"{shown} K=4 B=2 N=16: killed: lost {shown}" in said
    assert "\x1b" not in said


def test_a_damaged_file_with_an_evil_name_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = a_sweep(tmp_path)
    (sweep.folder / "part-[b]\x1b[2J:smile:.json").write_text("{")
    main([str(tmp_path)])
    said = capsys.readouterr().out
    assert r"part-[b]\x1b[2J:smile:.json" in said.replace("\n", "")
    assert "\x1b" not in said


@pytest.mark.process
def test_a_look_starts_no_threads_that_spin_beside_a_measurement(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    script = (
        "import os, sys; from benchmark.status import main; main();"
        " print(len(os.listdir('/proc/self/task')), 'numpy' in sys.modules, 'torch' in sys.modules)"
    )
    many = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    said = subprocess.check_output([sys.executable, "-c", script, str(tmp_path)], env=many, cwd=ROOT, text=True)
    assert said.splitlines()[-1] == "1 True False", "NumPy is there, with no thread of its own"
