"""Outputs of an earlier version, kept in tests/data, are read, analysed and resumed as that version did."""

import csv
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from analysis.cli.main import main as analyse
from benchmark.cli.status import main as show_status
from benchmark.config.settings import Rerun
from benchmark.dispatch.batches import find_batches
from benchmark.dispatch.claims import Claims
from benchmark.dispatch.ledger import ExpectedEnvironment, SweepReader
from benchmark.dispatch.resume import ResumePolicy
from benchmark.hardware.environment import cpu_name
from crossover import __version__
from crossover.records.load import find, load
from crossover.records.record import Record
from tests.paths import DATA, ROOT

DEMO = DATA / "demo_before_storeys"
POINTS = 12
INTERVALS_WIDENED_SINCE = ("crossing_steps", "speedup", "crossing_speedup", "baseline_latency_s")
"""They now carry what a single process, and a coarse ladder, cannot know."""


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO / "outputs", tmp_path / "outputs"))


@pytest.fixture(scope="module")
def records() -> tuple[Record, ...]:
    loaded = load(find(DEMO / "outputs"))
    assert not loaded.rejected
    return loaded.records


def read_table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def environment_of(record: Record) -> ExpectedEnvironment:
    environment = record.environment
    assert environment is not None
    return ExpectedEnvironment(
        python=environment.python,
        torch=environment.torch,
        transformers=environment.transformers,
        crossover=environment.crossover,
        cpu=environment.cpu,
        cpu_threads=environment.cpu_threads,
    )


def as_if_made_here(record: Record) -> Record:
    """The record with the software and the processor of this machine."""
    assert record.environment is not None
    here = replace(
        record.environment,
        python=platform.python_version(),
        torch=version("torch"),
        transformers=version("transformers"),
        crossover=__version__,
        cpu=cpu_name(),
        cpu_threads=1,
    )
    return replace(record, environment=here)


def resume_policy(environment: ExpectedEnvironment) -> ResumePolicy:
    return ResumePolicy(
        sweep="another",
        began="2027-01-01T00:00:00+00:00",
        rerun=Rerun.none,
        skip_dominated=False,
        conditions=environment,
    )


def test_every_record_loads_and_its_run_still_has_the_key_it_was_stored_under(records: Sequence[Record]) -> None:
    assert len(records) == POINTS
    assert all(record.run.key == record.key for record in records)
    assert all(record.measurement is not None and record.measurement.generated for record in records)


def test_the_table_shows_every_figure_that_it_showed_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(DEMO)
    analyse(["table", "outputs"])
    now = [line.replace("*", " ").split() for line in capsys.readouterr().out.splitlines() if "tiny_" in line]
    then = [line.split() for line in (DEMO / "table.txt").read_text(encoding="utf-8").splitlines() if "tiny_" in line]
    assert len(now) >= len(then) == POINTS
    assert all(set(old) <= set(new) for old, new in zip(then, now, strict=False))


@pytest.mark.parametrize("arguments", [("parity", "outputs"), ("compare", "outputs", "outputs")])
def test_parity_and_comparison_are_printed(
    arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(DEMO)
    analyse(arguments)
    assert "tiny_llada" in capsys.readouterr().out


def figure(cell: str) -> object:
    """A cell's number but for its last bits, since Python sums in another way from version 3.12 on; else its text."""
    try:
        return float(f"{float(cell):.12g}")
    except ValueError:
        return cell


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("grid.csv", set()),
        (
            "parity.csv",
            {
                "reaches_probability",  # it is called reaches_share now, since it is no probability
                "flags",  # their words
                *(f"{figure}_{end}" for figure in INTERVALS_WIDENED_SINCE for end in ("low", "high")),
            },
        ),
    ],
)
def test_the_report_is_written_with_the_figures_of_then_in_its_tables(
    name: str, changed: set[str], tmp_path: Path
) -> None:
    analyse(["report", str(DEMO / "outputs"), "--output", str(tmp_path)])
    assert "tiny_llada" in (tmp_path / "report.html").read_text(encoding="utf-8")
    then, now = (read_table(folder / name) for folder in (DEMO, tmp_path))
    kept = then[0].keys() - changed
    assert [{column: figure(row[column]) for column in kept} for row in now[: len(then)]] == [
        {column: figure(row[column]) for column in kept} for row in then
    ]


def rows_of(status: str) -> list[list[str]]:
    """The words of each line on a sweep."""
    return [line.split() for line in status.splitlines() if line.startswith(" demo-")]


def test_the_status_shows_the_sweep(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its row is that of then; columns that are empty are no longer shown."""
    show_status([str(outputs)])
    then, now = (DEMO / "status.txt").read_text(encoding="utf-8"), capsys.readouterr().out
    assert now.split()[:3] == then.split()[:3] == ["sweep", "points", "done"]
    assert rows_of(now) == rows_of(then) != []


def test_the_ledger_and_the_claims_are_read(outputs: Path, records: Sequence[Record]) -> None:
    (sweep,) = SweepReader(outputs).all()
    assert sweep.is_closed
    assert {entry.run.key for entry in sweep.entries} == {entry.key for entry in sweep.entries}
    assert {entry.key for entry in sweep.entries} == {record.key for record in records}
    (batch,) = find_batches(sweep).batches
    assert [index for task in batch.tasks for index in task] == list(range(POINTS))
    claims = Claims(outputs)
    for entry in sweep.entries:
        last = claims.last(entry.key)
        assert last is not None
        assert last.sweep == sweep.id
        assert claims.holder(entry.key) is None


def test_a_sweep_in_the_records_environment_takes_all_of_them_for_done(records: Sequence[Record]) -> None:
    environment = environment_of(records[0])
    assert len(resume_policy(environment).done(records)) == POINTS
    assert not resume_policy(replace(environment, torch="1.0")).done(records)


@pytest.mark.process
def test_the_demo_again_runs_none_of_its_points(outputs: Path, tmp_path: Path) -> None:
    for file in find(outputs):
        (record,) = load([file]).records
        file.write_text(as_if_made_here(record).to_json(), encoding="utf-8")
    again = subprocess.run(
        [sys.executable, "-m", "benchmark", "sweep=demo", "hardware=cpu", "tracking=none"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert "20 grid points: 0 to run, 12 done before, skipped" in again.stdout
    assert len(find(outputs)) == POINTS
