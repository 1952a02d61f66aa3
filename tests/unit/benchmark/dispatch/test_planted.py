"""A folder that others may write to makes nobody write, or show, what lies elsewhere."""

import json
import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli.status import main as show_status
from benchmark.dispatch.batches import add_batch, find_batches, new_batch, note_job_id
from benchmark.dispatch.claims import Claims
from benchmark.dispatch.ledger import Sweep, SweepReader
from benchmark.dispatch.reconcile import reconcile
from benchmark.store.journal import Journal
from benchmark.util.logs import logging_to, tail
from benchmark.util.no_links import read_bytes
from crossover.errors import UserError
from crossover.records.load import load
from tests.factories import STARTED, a_record
from tests.sweeps import RUNS, FakeSlurm, a_sweep, an_owner, records_of

SECRET = "the words of a private file"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The folder that others may write to; what lies beside it is private."""
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "file").write_text(SECRET)
    return tmp_path / "shared"


def private(shared: Path) -> dict[str, str]:
    """What lies outside of the shared folder."""
    files = (file for file in shared.parent.rglob("*") if file.is_file() and not file.is_relative_to(shared))
    return {str(file): file.read_text() for file in files}


def change(file: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    data = json.loads(file.read_text())
    edit(data)
    file.write_text(json.dumps(data))


def lost(folder: Path) -> Sweep:
    """A sweep of one SLURM job that ended without a record."""
    sweep = a_sweep(folder, runs=RUNS[:1])
    note_job_id(add_batch(sweep, new_batch([[0]], STARTED, slurm=True)), "8")
    return sweep


PLANTED: dict[str, Callable[[dict[str, Any]], None]] = {
    "an id": lambda ledger: ledger.update(id="../../private"),
    "an absolute id": lambda ledger: ledger.update(id="/tmp"),
    "a key": lambda ledger: ledger["entries"][0].update(key="../../private/record"),
    "a key of another form": lambda ledger: ledger["entries"][0].update(key="0123456789ABCDEF"),
    "a start": lambda ledger: ledger.update(began="../../private"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_ledger_whose_names_lead_elsewhere_is_named_and_not_used(
    shared: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = lost(shared)
    change(sweep.folder / "sweep.json", PLANTED[what])
    before = private(shared)
    show_status([str(shared), "--reconcile"])
    assert private(shared) == before
    assert not list((shared / "records").iterdir())
    assert "sweep-1/sweep.json is no sweep of this version" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("job", ["../../../private/file", "--help", "8 9", ""])
def test_a_job_that_is_none_is_neither_asked_for_nor_looked_for(shared: Path, job: str) -> None:
    sweep = lost(shared)
    change(sweep.folder / "part-0.json", lambda batch: batch.update(job=job))
    kept = find_batches(sweep)
    assert (kept.batches, len(kept.damaged)) == ((), 1)


@pytest.mark.parametrize("changes", [{"job": "../8"}, {"since": "../../private"}, {"since": "2026-03-01"}])
def test_a_claim_whose_names_are_none_holds_nothing(shared: Path, changes: dict[str, str]) -> None:
    claims = Claims(shared)
    claims.take(RUNS[0].key, an_owner())
    change(shared / "claims" / f"{RUNS[0].key}.1", lambda owner: owner.update(changes))
    assert claims.last(RUNS[0].key) is None


def test_a_claim_that_is_a_link_is_not_followed_and_not_touched(shared: Path) -> None:
    claims = Claims(shared)
    claim = claims.take(RUNS[0].key, an_owner())
    elsewhere = shared.parent / "private" / "claim"
    (shared / "claims" / f"{RUNS[0].key}.1").rename(elsewhere)
    (shared / "claims" / f"{RUNS[0].key}.1").symlink_to(elsewhere)
    assert claims.last(RUNS[0].key) is None
    os.utime(elsewhere, (0, 0))
    assert not hasattr(claim, "renew") or claim.renew() is None
    assert elsewhere.stat().st_mtime == 0


@pytest.mark.parametrize("name", ["0.log", "8_0_0_log.out"])
def test_a_log_that_is_a_link_is_not_copied_into_a_record(shared: Path, name: str) -> None:
    sweep = lost(shared)
    (sweep.logs / name).symlink_to(shared.parent / "private" / "file")
    reconcile(sweep, FakeSlurm({"8_0": "FAILED"}), records_of(sweep))
    (record,) = load((shared / "records").glob("*.json")).records
    assert record.failure is not None
    assert record.failure.log_tail is None


@pytest.mark.parametrize("linked", ["sweeps/sweep-1", "sweeps/sweep-1/logs"])
def test_a_folder_that_is_a_link_is_not_entered(shared: Path, linked: str) -> None:
    sweep = lost(shared)
    (sweep.logs / "0.log").write_text(SECRET)
    (shared / linked).rename(shared.parent / "private" / "folder")
    (shared / linked).symlink_to(shared.parent / "private" / "folder")
    before = private(shared)
    show_status([str(shared), "--reconcile"])
    assert private(shared) == before
    assert all(SECRET not in file.read_text() for file in (shared / "records").iterdir())


def test_what_says_that_a_sweep_is_closed_is_not_made_through_a_link(shared: Path) -> None:
    sweep = a_sweep(shared)
    made = shared.parent / "private" / "made"
    (sweep.folder / "closed").symlink_to(made)
    with suppress(OSError):
        sweep.close()
    assert not made.exists()
    assert SweepReader(shared).open(besides="") == []


def test_nothing_is_logged_through_a_link(shared: Path) -> None:
    sweep = a_sweep(shared)
    sweep.log(0).symlink_to(shared.parent / "private" / "file")
    before = private(shared)
    with logging_to(sweep.log(0)):
        logging.getLogger("of a library").warning("written")
    assert private(shared) == before
    with logging_to(sweep.log(1)):
        logging.getLogger("of a library").warning("written")
    assert "written" in (tail(sweep.log(1)) or "")


def test_a_pipe_in_the_place_of_a_file_makes_nobody_wait(shared: Path) -> None:
    sweep = a_sweep(shared)
    os.mkfifo(sweep.log(0))
    assert tail(sweep.log(0)) is None
    with pytest.raises(OSError, match="no plain file"):
        read_bytes(sweep.log(0))


def test_a_record_counts_for_the_run_that_it_holds_and_for_no_other(shared: Path) -> None:
    sweep, journal = a_sweep(shared), Journal(output_dir=shared)
    journal.write(a_record(RUNS[0], key=RUNS[1].key))
    journal.write(a_record(RUNS[2])).rename(journal.path(RUNS[0].key, STARTED))
    index = records_of(sweep)
    index.refresh(sweep.indices)
    assert index.of(sweep.indices) == []


def test_a_record_that_is_a_link_is_not_read(shared: Path) -> None:
    sweep, journal = a_sweep(shared), Journal(output_dir=shared)
    file = journal.write(a_record(RUNS[0]))
    file.rename(shared.parent / "private" / "record")
    file.symlink_to(shared.parent / "private" / "record")
    index = records_of(sweep)
    index.refresh(sweep.indices)
    assert index.of(sweep.indices) == []


@pytest.mark.parametrize("name", ["records", "claims", "sweeps"])
@pytest.mark.skipif(os.geteuid() != 0, reason="it takes a second user")
def test_nothing_is_written_into_a_folder_that_another_user_linked(shared: Path, name: str) -> None:
    lost(shared)
    if (shared / name).exists():
        shutil.move(shared / name, shared.parent / "private" / name)
    link = shared / name
    link.symlink_to(shared.parent / "private" / name)
    Journal(output_dir=shared).prepare()  # a link of one's own, such as to a larger disk
    os.chown(link, 12345, 12345, follow_symlinks=False)
    before = private(shared)
    with pytest.raises(UserError, match=f"{name} is a link that another user made"):
        Journal(output_dir=shared).prepare()
    with pytest.raises(SystemExit):
        show_status([str(shared), "--reconcile"])
    assert private(shared) == before
