"""Replicates from the command line to the table: each is a process."""

import json
import re
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.hardware import slots
from benchmark.store.journal import Journal
from crossover.errors import UserError
from crossover.records.load import find, load

QUICK = ("warmup=0", "repeats=1", "prompts.count=1", "length=8", "judge=none", "tracking=none")
GRID = ("-m", "model=tiny_llama,tiny_llada", "steps=2")
HERE = ("hardware=local", "hardware.device=cpu")


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """The grid on this CPU, but for what the words say."""
    monkeypatch.setattr("sys.argv", ["benchmark", *GRID, *HERE, *QUICK, f"output_dir={folder}", *words])
    main()


def written(folder: Path) -> list[Path]:
    """What a command wrote of its sweep: its ledger, and records."""
    return [*folder.glob("sweeps/*"), *folder.glob("records/*")]


@pytest.mark.process
def test_each_replicate_is_a_process_and_the_next_command_adds_those_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch, "replicates=2")
    said = capsys.readouterr().out
    assert "2 grid points in 2 processes each: 4 to run" in said
    rows = [line.split() for line in said.splitlines() if line.startswith((" tiny_llama ", " tiny_llada "))]
    assert len(rows) == 2
    made = load(find(tmp_path)).records
    order = [(record.run.model.name, record.replicate) for record in made]
    assert order == [("tiny_llama", 0), ("tiny_llada", 0), ("tiny_llada", 1), ("tiny_llama", 1)]
    assert all(record.measurement is not None for record in made)
    processes = [json.loads(claim.read_text())["pid"] for claim in (tmp_path / "claims").iterdir()]
    assert len(set(processes)) == 4
    run(tmp_path, monkeypatch, "replicates=2")
    assert "2 grid points in 2 processes each: 0 to run, 4 done before" in capsys.readouterr().out
    run(tmp_path, monkeypatch)
    assert "2 grid points: 0 to run, 2 done before" in capsys.readouterr().out
    assert len(list(Journal(output_dir=tmp_path).folder.iterdir())) == 4


@pytest.mark.parametrize("launcher", ["isolated", "basic"])
def test_gpus_that_no_launcher_would_choose_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], launcher: str
) -> None:
    with pytest.raises((UserError, SystemExit)):
        run(tmp_path, monkeypatch, "hardware.gpus=0", f"hydra/launcher={launcher}")
    assert "hardware.gpus is for hardware=local_gpus" in capsys.readouterr().err
    assert not written(tmp_path)


@pytest.mark.parametrize("words", [(), ("dry_run=true",)])
def test_a_gpu_that_is_not_here_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(slots, "gpu_uuids", lambda: ("GPU-aa", "GPU-bb"))
    with pytest.raises((UserError, SystemExit)):
        run(tmp_path, monkeypatch, "hardware=local_gpus", "hardware.device=cuda", "hardware.gpus=0,7", *words)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "error: hardware.gpus=7 is not here: this program may use 2 GPUs, so give numbers from 0 to 1"
    )
    assert not written(tmp_path)


def test_a_dry_run_says_how_points_spread_over_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, monkeypatch, "hardware=local_gpus", "hardware.gpus=one,two", "dry_run=true", "replicates=3")
    said = capsys.readouterr().out
    assert "6 jobs (3 of each point), one at a time on each of 2 CPUs: about " in said
    assert re.search(r"all done after about \d+ s \(CPU one: 3 in \d+ s; CPU two: 3 in \d+ s\)", said)
    assert not written(tmp_path)


def test_a_launcher_that_may_run_two_replicates_in_one_process_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((UserError, SystemExit)):
        run(tmp_path, monkeypatch, "replicates=2", "hydra/launcher=basic")
    assert "replicates=2 needs a process for each" in capsys.readouterr().err
    assert not written(tmp_path)
