"""Arrays of jobs as SLURM's commands are given them."""

from pathlib import Path

import pytest

from benchmark.dispatch.batches import find_batches
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
    say(folder, "scontrol", f"{SHOW} echo 'MaxArraySize = 2'".format(logs=a_sweep(tmp_path).logs))
    say(folder, "srun", "exit 1")
    say(folder, "sbatch", f'cat "$1" >> {folder}/scripts; wc -l < {folder}/scripts | xargs echo Submitted batch job')
    return folder


SHOW = 'if [ "$2" = show -a "$3" = job ]; then echo "JobId=$4 JobState=PENDING StdOut={logs}/x.out"; exit; fi;'
"""scontrol knows every job as one of the sweep's."""


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
    assert [batch.tasks for batch in find_batches(sweep).batches] == [((0,), (1,)), ((2,),)]
    jobs = [batch.job for batch in find_batches(sweep).batches]
    assert all(jobs)
    said = capsys.readouterr().out
    assert f"submitted 2 jobs as SLURM array {jobs[0]}; to cancel: scancel {jobs[0]}" in said


def test_what_slurm_refuses_is_said_in_its_words_and_nothing_is_noted(tmp_path: Path, cluster: Path) -> None:
    say(cluster, "sbatch", "echo 'sbatch: error: invalid partition specified: x' >&2; exit 1")
    sweep = a_sweep(tmp_path)
    with pytest.raises(UserError, match="SLURM refused the jobs: invalid partition specified: x"):
        SlurmArray(sweep_context(sweep, make_console())).submit([0], {}, pack=1)
    assert find_batches(sweep).batches == ()


@pytest.mark.usefixtures("cluster")
def test_a_setting_that_sbatch_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hydra\.launcher: .*colour"):
        SlurmArray(sweep_context(a_sweep(tmp_path), make_console())).submit([0], {"colour": "red"}, pack=1)


def test_without_slurm_nothing_is_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="login node"):
        SlurmArray(sweep_context(a_sweep(tmp_path), make_console())).submit([0], {}, pack=1)


LIMIT = """\
size=$(sed -n 's/#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
if [ "$(cat {folder}/room)" -le "$size" ]; then echo 'sbatch: error: AssocMaxSubmitJobLimit' >&2; exit 1; fi
expr $(cat {folder}/room) - $size - 1 > {folder}/room
echo x >> {folder}/jobs; wc -l < {folder}/jobs | xargs echo Submitted batch job"""
"""An sbatch that takes as many jobs as the file `room` says."""


@pytest.fixture
def limited(cluster: Path) -> Path:
    say(cluster, "sbatch", LIMIT.format(folder=cluster))
    return cluster


def test_where_fewer_jobs_may_be_submitted_what_fits_is_and_the_rest_is_told_with_what_would_help(
    tmp_path: Path, limited: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (limited / "room").write_text("1")
    sweep = a_sweep(tmp_path)
    array = SlurmArray(sweep_context(sweep, make_console()))
    array.submit([0, 1, 2], {}, pack=1)
    array.leave()
    assert [batch.tasks for batch in find_batches(sweep).batches] == [((0,),)]
    said = " ".join(capsys.readouterr().out.split())
    assert "SLURM takes no more jobs now (AssocMaxSubmitJobLimit): 2 jobs were not submitted" in said
    assert "or with pack=3" in said


def test_where_no_job_may_be_submitted_the_refusal_names_pack(tmp_path: Path, limited: Path) -> None:
    (limited / "room").write_text("0")
    sweep = a_sweep(tmp_path)
    with pytest.raises(UserError, match=r"AssocMaxSubmitJobLimit.*pack="):
        SlurmArray(sweep_context(sweep, make_console())).submit([0, 1, 2], {}, pack=1)
    assert find_batches(sweep).batches == ()


def test_what_was_refused_is_submitted_as_jobs_end(
    tmp_path: Path, limited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.dispatch.wait.time.sleep", lambda _: None)
    (limited / "room").write_text("1")
    logs = a_sweep(tmp_path).logs
    over = f'echo "JobId=$5 ArrayJobId=$5 ArrayTaskId=0 JobState=COMPLETED StdOut={logs}/x"; echo 1 > {limited}/room'
    say(limited, "scontrol", f'if [ "$3" = job ]; then {over.replace("$5", "$4")}; else echo MaxArraySize = 2; fi')
    sweep = a_sweep(tmp_path)
    array = SlurmArray(sweep_context(sweep, make_console()))
    array.submit([0, 1, 2], {}, pack=1)
    array.wait([0, 1, 2])
    assert [batch.tasks for batch in find_batches(sweep).batches] == [((0,),), ((1,),), ((2,),)]


def test_an_id_in_a_line_of_a_sites_wrapper_is_not_believed(tmp_path: Path, cluster: Path) -> None:
    say(cluster, "sbatch", "echo 'checked the quota of job 7'; echo Submitted batch job 12")
    sweep = a_sweep(tmp_path)
    SlurmArray(sweep_context(sweep, make_console())).submit([0], {}, pack=1)
    assert [batch.job for batch in find_batches(sweep).batches] == ["12"]


FOREIGN = "echo 'JobId=7 JobState=RUNNING StdOut=/home/somebody/7.out'"


def test_a_job_that_the_scheduler_knows_as_anothers_is_not_taken_for_ours(tmp_path: Path, cluster: Path) -> None:
    say(cluster, "sbatch", "echo Submitted batch job 7")
    say(cluster, "scontrol", f'if [ "$3" = job ]; then {FOREIGN}; else echo MaxArraySize = 2; fi')
    sweep = a_sweep(tmp_path)
    with pytest.raises(UserError, match=r"sbatch answered .*7.*names no job of this sweep"):
        SlurmArray(sweep_context(sweep, make_console())).submit([0], {}, pack=1)
    assert find_batches(sweep).batches == ()


def test_ctrl_c_cancels_only_jobs_that_the_scheduler_knows_as_the_sweeps(
    tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(tmp_path)
    array = SlurmArray(sweep_context(sweep, make_console()))
    array.submit([0, 1, 2], {}, pack=1)
    first, second = (str(batch.job) for batch in find_batches(sweep).batches)
    known = 'echo "JobId=$4 ArrayJobId=$4 ArrayTaskId=0-1 JobState=CANCELLED StdOut=$folder/x"'
    folder = f'if [ "$4" = {first} ]; then folder=/home/somebody; else folder={sweep.logs}; fi'
    say(cluster, "scancel", f'echo "$@" >> {cluster}/cancelled')

    running = f'echo "JobId=$4 ArrayJobId=$4 ArrayTaskId=0-1 JobState=RUNNING StdOut={sweep.logs}/x"'
    say(cluster, "scontrol", f"[ -e {cluster}/pressed ] || {{ {running}; exit; }}; {folder}; {known}")

    def sleep(_: float) -> None:
        if not (cluster / "pressed").exists():
            (cluster / "pressed").touch()
            raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.dispatch.wait.time.sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        array.wait([0, 1, 2])
    assert (cluster / "cancelled").read_text().split() == [second]
    assert f"cancelled SLURM array {second};" in capsys.readouterr().out


def test_a_batch_that_is_damaged_while_its_jobs_run_is_named_once(
    tmp_path: Path, cluster: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmark.dispatch.wait.time.sleep", lambda _: None)
    sweep = a_sweep(tmp_path)
    array = SlurmArray(sweep_context(sweep, make_console()))
    array.submit([0, 1, 2], {}, pack=1)
    count = f"echo x >> {cluster}/looks; [ $(wc -l < {cluster}/looks) -lt 4 ] && state=RUNNING || state=COMPLETED"
    job = f'echo "JobId=$4 ArrayJobId=$4 ArrayTaskId=0-1 JobState=$state StdOut={sweep.logs}/x"'
    say(cluster, "scontrol", f"{count}; {job}")
    (sweep.folder / "part-0.json").write_bytes(bytes(100))
    array.wait([0, 1, 2])
    said = "".join(capsys.readouterr().out.split())
    assert said.count("part-0.jsoncannotberead") == 1
