import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.dispatch import backends as handing
from benchmark.dispatch.backends import SlurmArray, packed
from benchmark.slurm.client import SETUP_FAILED
from benchmark.slurm.submit import checked
from crossover.errors import UserError
from crossover.terminal import make_console
from tests.factories import a_run, an_autoregressive_run
from tests.sweeps import a_sweep

DIFFUSION = tuple(a_run(batch=batch) for batch in (1, 2, 4))
BASELINE = tuple(an_autoregressive_run(batch=batch) for batch in (1, 2))


@pytest.mark.parametrize(
    ("pack", "tasks"),
    [
        (1, [[0], [1], [2], [3], [4]]),
        (2, [[0, 1], [2], [3, 4]]),
        (9, [[0, 1, 2], [3, 4]]),
    ],
)
def test_points_are_packed_by_the_model_that_they_load(tmp_path: Path, pack: int, tasks: list[list[int]]) -> None:
    assert packed(a_sweep(tmp_path, DIFFUSION + BASELINE), range(5), pack) == tasks


def bash(lines: list[str]) -> subprocess.CompletedProcess[str]:
    script = "\n".join([*checked(lines), "echo the job"])
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def test_a_setup_line_that_fails_ends_the_job_and_is_named() -> None:
    done = bash(["echo before", "module_that_is_not_there load CUDA  # a comment", "echo after"])
    assert done.returncode == SETUP_FAILED
    assert done.stdout == "before\n"
    assert "this line failed with status 127: module_that_is_not_there load CUDA" in done.stderr


def test_setup_lines_that_go_well_leave_what_they_set() -> None:
    done = bash(["export CROSSOVER_TEST='a b'", 'echo "$CROSSOVER_TEST"'])
    assert (done.returncode, done.stdout) == (0, "a b\nthe job\n")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """JobStatus-ins for SLURM's commands; sbatch notes what it was given."""
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
    SlurmArray(sweep, make_console()).submit(
        [0, 1, 2], {"timeout_min": 5, "partition": "gpu", "setup": ["true"]}, pack=1
    )
    scripts = (cluster / "scripts").read_text()
    assert "#SBATCH --array=0-1%2" in scripts
    assert "#SBATCH --array=0-0%1" in scripts
    assert "#SBATCH --partition=gpu" in scripts
    assert [batch.tasks for _, batch in sweep.batches()] == [((0,), (1,)), ((2,),)]
    jobs = [batch.job for _, batch in sweep.batches()]
    assert all(jobs)
    said = capsys.readouterr().out
    assert f"submitted 2 jobs as SLURM array {jobs[0]}; to cancel: scancel {jobs[0]}" in said


def test_what_slurm_refuses_is_said_in_its_words_and_nothing_is_noted(tmp_path: Path, cluster: Path) -> None:
    say(cluster, "sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    sweep = a_sweep(tmp_path)
    with pytest.raises(UserError, match="SLURM refused the jobs: invalid partition specified: x"):
        SlurmArray(sweep, make_console()).submit([0], {}, pack=1)
    assert sweep.batches() == []


@pytest.mark.usefixtures("cluster")
def test_a_setting_that_sbatch_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hydra\.launcher: .*colour"):
        SlurmArray(a_sweep(tmp_path), make_console()).submit([0], {"colour": "red"}, pack=1)


def test_without_slurm_nothing_is_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="login node"):
        SlurmArray(a_sweep(tmp_path), make_console()).submit([0], {}, pack=1)


DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(200)"


@pytest.mark.process
def test_a_process_that_does_not_heed_ctrl_c_is_killed_and_the_interruption_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(handing, "END_S", 0.5)
    before, began = signal.signal(signal.SIGALRM, interrupt), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 2.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            handing._in_a_process([sys.executable, "-c", DEAF], tmp_path / "log")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 100


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "ended", "said"),
    [
        ("raise SystemExit(3)", 3, None),
        ("raise ImportError('no such library')", 1, "ImportError: no such library"),
        ("import os; os.kill(os.getpid(), 9)", -9, None),
    ],
)
def test_how_a_process_ended_is_told_and_what_it_complained_of_is_kept(
    tmp_path: Path, script: str, ended: int, said: str | None
) -> None:
    log = tmp_path / "log"
    assert handing._in_a_process([sys.executable, "-c", script], log) == ended
    assert log.exists() == (said is not None)
    assert said is None or said in log.read_text()
