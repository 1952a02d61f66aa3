"""Setup lines of a job, as bash runs them; what sbatch answers."""

import subprocess

import pytest

from benchmark.slurm.job_state import SETUP_FAILED
from benchmark.slurm.submit import checked, is_submit_limit, job_ids


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


@pytest.mark.parametrize(
    ("said", "jobs"),
    [
        ("Submitted batch job 12", ["12"]),
        ("job 7 of yours waits\nSubmitted batch job 12\n", ["12"]),
        ("12", ["12"]),
        ("quota for job 7\n12", ["12"]),
        ("7\nSubmitted batch job 12", ["12"]),
        ("Submitted batch job 7 was the last one\nSubmitted batch job 12", ["12"]),
        ("Submitted batch job 12 on cluster other", ["12"]),
        ("12;other", ["12"]),
        ("job 7", []),
        ("", []),
    ],
)
def test_an_id_is_taken_from_the_lines_that_sbatch_itself_prints(said: str, jobs: list[str]) -> None:
    assert job_ids(said) == jobs


POLICY = (
    "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@pytest.mark.parametrize(
    ("words", "fewer_may_fit"),
    [
        (f"AssocMaxSubmitJobLimit; {POLICY}", True),
        (f"QOSMaxSubmitJobPerUserLimit; {POLICY}", True),
        (f"AssocGrpSubmitJobsLimit; {POLICY}", True),
        (POLICY, True),
        ("Batch job submission failed: Invalid job array specification", True),
        (f"QOSMaxWallDurationPerJobLimit; {POLICY}", False),
        (f"AssocMaxCpuPerJobLimit; {POLICY}", False),
        ("Batch job submission failed: Invalid partition name specified", False),
    ],
)
def test_a_limit_on_the_number_of_jobs_is_told_from_one_on_each_job(words: str, *, fewer_may_fit: bool) -> None:
    assert is_submit_limit(words) is fewer_may_fit
