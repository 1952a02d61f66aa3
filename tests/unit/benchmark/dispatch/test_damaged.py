"""Damaged files of a sweep under way stop no command: they are named, and their points run again."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.cli.status import main as show_status
from benchmark.dispatch.batches import add_tasks, find_batches, new_batch
from benchmark.dispatch.claims import Claim, Claims, this_process
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.job import main as run_job
from benchmark.dispatch.ledger import Sweep, SweepReader
from benchmark.dispatch.point_status import JobStatus, point_statuses
from benchmark.dispatch.reconcile import reconcile
from benchmark.slurm.client import Slurm
from benchmark.sweep.other_sweeps import OtherSweeps
from crossover.records.load import load
from crossover.terminal import make_console
from tests.factories import STARTED
from tests.sweeps import a_sweep, records_of

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda _: b"",
    "zeroed": lambda whole: bytes(len(whole)),
    "truncated": lambda whole: whole[: len(whole) // 2],
    "of another program": lambda _: b"[1, 2]",
    "nested": lambda _: b"[" * 5000 + b"]" * 5000,
    "no text": lambda _: b'"\xff"',
    "a number too large": lambda whole: whole.replace(b'"pid": ', b'"pid": 1' + b"0" * 400),
    "points that are not there": lambda whole: whole.replace(b"[[0]]", b"[[7]]").replace(b'"entries"', b'"others"'),
    "a negative point": lambda whole: whole.replace(b"[[0]]", b"[[-1]]").replace(b'"entries"', b'"others"'),
}


def damage(file: Path, how: str) -> None:
    file.write_bytes(DAMAGES[how](file.read_bytes()))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_batch_is_named_and_its_points_are_not_under_way(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path)
    damage(add_tasks(sweep, [[0]], slurm=False), how)
    add_tasks(sweep, [[1]], slurm=False)
    assert [each.index for each in point_statuses(sweep, Slurm())] == [1]
    show_status([str(tmp_path)])
    assert "part-0.json cannot be read" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("how", sorted(DAMAGES.keys() - {"a number too large"}))
def test_a_damaged_ledger_is_named_and_stops_no_other_sweep(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, broken = a_sweep(tmp_path), a_sweep(tmp_path, id="sweep-2")
    damage(broken.folder / "sweep.json", how)
    assert SweepReader(tmp_path).all() == [whole]
    show_status([str(tmp_path)])
    assert "sweep-2/sweep.json is no sweep of this version" in " ".join(capsys.readouterr().out.split())


def test_the_next_command_names_each_damaged_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, other, broken = (a_sweep(tmp_path, id=name) for name in ("own", "other", "broken"))
    damage(add_tasks(other, [[0]], slurm=False), "zeroed")
    damage(broken.folder / "sweep.json", "zeroed")
    others = OtherSweeps(SweepContext(sweep=own, records=records_of(own), console=make_console()))
    assert others.under_way(own.entries) == others.under_way(own.entries) == []
    said = capsys.readouterr().out
    assert said.count("other/part-0.json cannot be read") == 1
    assert said.count("broken/sweep.json is no sweep") == 1
    assert said.count("count as never handed out") == 2


def test_a_copy_of_a_batch_is_named_and_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = a_sweep(tmp_path)
    file = add_tasks(sweep, [[0]], slurm=False)
    (sweep.folder / "part-0 (copy).json").write_bytes(file.read_bytes())
    assert add_tasks(sweep, [[1]], slurm=False).name == "part-1.json"
    assert [batch.tasks for batch in find_batches(sweep).batches] == [((0,),), ((1,),)]
    show_status([str(tmp_path)])
    assert "part-0 (copy).json is not read" in " ".join(capsys.readouterr().out.split())


def test_a_number_is_never_given_to_a_second_batch(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    first, second = (add_tasks(sweep, [[index]], slurm=False) for index in (0, 1))
    first.unlink()
    assert add_tasks(sweep, [[2]], slurm=False).name == "part-2.json"
    assert second.exists()


def claimed(sweep: Sweep, index: int, *, living: bool) -> Claim:
    owner = this_process(sweep.id)
    if not living:
        owner = replace(owner, created=0.0, identity=None)
    taken = Claims(Path(sweep.output_dir)).take(sweep.entries[index].key, owner)
    assert isinstance(taken, Claim)
    return taken


def test_of_a_damaged_batch_the_claims_tell_what_runs_and_what_died(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    damage(add_tasks(sweep, [[0, 1, 2]], slurm=False), "truncated")
    claimed(sweep, 0, living=True)
    claimed(sweep, 1, living=False)
    statuses = reconcile(sweep, Slurm(), records_of(sweep))
    assert {each.index: each.job_status for each in statuses} == {0: JobStatus.running, 1: JobStatus.over}
    (record,) = load((tmp_path / "records").glob("*.json")).records
    assert record.key == sweep.entries[1].key
    assert not sweep.is_closed


def test_a_sweep_with_a_damaged_batch_stays_open_although_nothing_of_it_is_known_to_run(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    damage(add_tasks(sweep, [[0, 1, 2]], slurm=False), "truncated")
    assert reconcile(sweep, Slurm(), records_of(sweep)) == []
    assert not sweep.is_closed


@pytest.mark.parametrize("name", ["part-0.json", "sweep.json"])
def test_a_job_whose_files_are_damaged_ends_with_one_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path)
    file = add_tasks(sweep, [[0]], slurm=True)
    damage(sweep.folder / name, "truncated")
    with pytest.raises(SystemExit) as stopped:
        run_job([str(file), "0"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


def test_a_batch_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """It had no identity of its driver's process."""
    sweep = a_sweep(tmp_path)
    file = add_tasks(sweep, [[0]], slurm=False)
    text = file.read_text()
    file.write_text(text[: text.index(', "identity"')] + "}")
    (batch,) = find_batches(sweep).batches
    assert batch.identity is None
    assert batch.pid == new_batch([[0]], STARTED, slurm=False).pid
