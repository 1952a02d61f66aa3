"""A launcher that is not ours runs the points that it was given, wherever its jobs are."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.dispatch.batches import find_batches
from benchmark.dispatch.ledger import SweepReader
from benchmark.execution import pipeline
from benchmark.store.journal import Journal
from crossover.records.load import load
from crossover.records.record import Record
from crossover.records.run import Run
from tests.factories import a_record
from tests.paths import ROOT

QUICK = ("warmup=0", "repeats=1", "prompts.count=1", "tracking=none", "hardware=cpu", "judge=none")
GRID = ("-m", "model=tiny_llama,tiny_llada", "steps=2,4")


def measured(run: Run, *, sweep: str, **_: object) -> Record:
    now = datetime.now(UTC).isoformat()
    return a_record(run, sweep=sweep, environment=None, started_at=now, finished_at=now)


def test_hydra_s_own_launcher_runs_each_point_once_and_those_that_are_done_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "execute", measured)
    words = ["benchmark", *GRID, *QUICK, "hydra/launcher=basic", f"output_dir={tmp_path}"]
    monkeypatch.setattr("sys.argv", words)
    main()
    (sweep,) = SweepReader(tmp_path).all()
    assert [batch.tasks for batch in find_batches(sweep).batches] == [((0,), (1,), (2,))]
    files = Journal(output_dir=tmp_path).files({point.key for point in sweep.entries}).values()
    assert sorted(record.key for record in load(files).records) == sorted(point.key for point in sweep.entries)
    lost = next(file for file in files if file.name.startswith(sweep.entries[2].key))
    lost.unlink()
    main()
    assert [batch.tasks for each in SweepReader(tmp_path).all()[1:] for batch in find_batches(each).batches] == [
        ((2,),)
    ]
    assert len(Journal(output_dir=tmp_path).files({sweep.entries[2].key})) == 1


def test_what_goes_wrong_before_a_job_of_another_launcher_comes_to_its_point_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no such batch")

    monkeypatch.setattr("benchmark.dispatch.job.read_sweep", broken)
    monkeypatch.setattr("sys.argv", ["benchmark", *GRID, *QUICK, "hydra/launcher=basic", f"output_dir={tmp_path}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "the launcher stopped (RuntimeError: no such batch); its log: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["hydra/sweeper=basic"], "hydra/sweeper= names a sweeper that is not Crossover's: give hydra/sweeper=grid or"),
        (["hydra/sweeper=basic", "hydra/launcher=basic"], "hydra/sweeper=basic is not one of Crossover's: give"),
    ],
)
def test_another_sweeper_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    advice: str,
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", "-m", "steps=2", *QUICK, *words, f"output_dir={tmp_path}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert advice in capsys.readouterr().err


@pytest.mark.process
def test_submitit_s_launcher_runs_each_point_in_a_process_that_finds_it_in_the_ledger(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmark", "-m", "steps=2,4", *QUICK, "hydra/launcher=submitit_local"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = load((tmp_path / "outputs" / "records").glob("*.json")).records
    assert sorted(record.name for record in records) == ["tiny_llada K=2 B=1 N=128", "tiny_llada K=4 B=1 N=128"]
    assert all(record.measurement is not None for record in records)
