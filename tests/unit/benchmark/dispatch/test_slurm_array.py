"""Arrays of jobs as SLURM's commands are given them."""

from pathlib import Path

import pytest

from benchmark.dispatch.batches import read_batches
from benchmark.dispatch.context import sweep_context
from benchmark.dispatch.slurm_array import SlurmArray
from crossover.errors import UserError
from crossover.terminal import make_console
from tests.sweeps import a_sweep


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for SLURM's commands; sbatch notes what it was given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    say(folder, "scontrol", "echo 'MaxArraySize = 2'")
    say(folder, "srun", "exit 1")
    say(folder, "sbatch", f'cat "$1" >> {folder}/scripts; wc -l < {folder}/scripts | xargs echo Submitted batch job')
    return folder


def say(folder: Path, command: str, script: str) -> None:
    (folder / command).write_text(f"#!/bin/sh\n{script}\n")
    (folder / command).chmod(0o755)


def test_points_are_submitted_in_arrays_no_larger_than_the_cluster_takes(
    tmp_path: Path, cluster: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path)
    SlurmArray(sweep_context(sweep, make_console())).submit(
        [0, 1, 2], {"timeout_min": 5, "partition": "gpu", "setup": ["true"]}, pack=1
    )
    scripts = (cluster / "scripts").read_text()
    assert "#SBATCH --array=0-1%2" in scripts
    assert "#SBATCH --array=0-0%1" in scripts
    assert "#SBATCH --partition=gpu" in scripts
    assert [batch.tasks for batch in read_batches(sweep)] == [((0,), (1,)), ((2,),)]
    jobs = [batch.job for batch in read_batches(sweep)]
    assert all(jobs)
    said = capsys.readouterr().out
    assert f"submitted 2 jobs as SLURM array {jobs[0]}; to cancel: scancel {jobs[0]}" in said


def test_what_slurm_refuses_is_said_in_its_words_and_nothing_is_noted(tmp_path: Path, cluster: Path) -> None:
    say(cluster, "sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    sweep = a_sweep(tmp_path)
    with pytest.raises(UserError, match="SLURM refused the jobs: invalid partition specified: x"):
        SlurmArray(sweep_context(sweep, make_console())).submit([0], {}, pack=1)
    assert read_batches(sweep) == []


@pytest.mark.usefixtures("cluster")
def test_a_setting_that_sbatch_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hydra\.launcher: .*colour"):
        SlurmArray(sweep_context(a_sweep(tmp_path), make_console())).submit([0], {"colour": "red"}, pack=1)


def test_without_slurm_nothing_is_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="login node"):
        SlurmArray(sweep_context(a_sweep(tmp_path), make_console())).submit([0], {}, pack=1)
