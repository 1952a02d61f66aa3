"""Setup lines of a job, as bash runs them."""

import subprocess

from benchmark.slurm.client import SETUP_FAILED
from benchmark.slurm.submit import checked


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
