"""What a cluster does beside faults: limits, holds, wrappers; a folder that is damaged, a machine that is renamed."""

import re
import signal
from pathlib import Path

import pytest

from tests.slurm.lab import Lab
from tests.slurm.limits import failing_launches, most_jobs
from tests.slurm.sweeps import DONE, HERE, POINTS, VICTIM, Study, again_after_a_forgotten_job, line_with, until
from tests.slurm.table import Table, conclude

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]
NEXT = "tiny_llada K=8 B=1 N=32"
"""The point after the victim."""
WARNING = ("echo 'site: a warning of job 7'", "echo 'slurm: warning: a plugin is old' >&2")


def test_fewer_jobs_than_points_may_be_submitted(study: Study, table: Table) -> None:
    """First nobody waits; then a command submits the rest as jobs end."""
    with most_jobs(study.lab, 2):
        detached = study.again("detach=true")
        assert detached.process.returncode == 1, "not all points are handed out"
        until("what was submitted has ended", lambda: sum(study.measured().values()) == DONE + 2)
        until("SLURM has noticed", lambda: not study.lab.command("squeue", "-h"))
    with most_jobs(study.lab, 1):
        again = study.again()
    assert again.process.returncode == 0, again.said
    told = f"{line_with('not submitted', detached.said)}; then {line_with('as jobs end', again.said)}"
    conclude(study, table, "fewer jobs may be submitted than there are points (`detach=true`, then without)", told)


def test_a_job_that_is_requeued_and_held_waits_with_its_reason(study: Study, table: Table) -> None:
    with failing_launches(study.lab):
        driver = study.start()
        until("the driver tells why its jobs wait", lambda: "scontrol release" in driver.said)
    said = line_with("scontrol release", study.status())
    release = re.search(r"scontrol release (\S+)", said)
    assert release is not None
    study.lab.command("scontrol", "release", release[1])
    for job in release[1].split(","):
        study.lab.start_again(job)
    driver.wait()
    assert driver.process.returncode == 0, driver.said
    assert study.again().process.returncode == 0
    conclude(study, table, "launches fail: jobs queued again and held", said)


def test_a_wrapper_that_names_another_job(study: Study, table: Table) -> None:
    """Ctrl-C cancels the sweep's own jobs, and leaves the job that the wrapper spoke of."""
    other = study.lab.command("sbatch", "--parsable", "-p", "spare", "-o", "/dev/null", "--wrap", "sleep 600").strip()
    study.wrap("sbatch", f"echo 'job {other}'", f"echo 'Submitted batch job {other}'")
    study.ask("hang")
    driver = study.start()
    study.reached()
    driver.process.send_signal(signal.SIGINT)
    said = driver.wait()
    assert driver.process.returncode == 130, said
    state = study.lab.states(other)[other]
    study.lab.command("scancel", other)
    assert state in {"RUNNING", "PENDING"}, "somebody else's job was cancelled"
    again = study.again()
    assert again.process.returncode == 0, again.said
    conclude(
        study, table, "a wrapper of `sbatch` that names another's job, and Ctrl-C", line_with("cancelled SLURM", said)
    )


def test_warnings_before_what_slurm_says(whole: Study, table: Table, uri: str, tmp_path: Path, forgetful: Lab) -> None:
    """The controller has forgotten the job; a warning stands before the line that says so."""
    study = Study(lab=forgetful, folder=tmp_path, uri=uri, experiment="warnings")
    study.prepare(whole.journal.folder)
    for program in ("scontrol", "squeue", "sacct", "sbatch", "scancel"):
        study.wrap(program, *WARNING)
    again = again_after_a_forgotten_job(study)
    conclude(study, table, "warnings before `Invalid job id`", line_with("grid points:", again.said))


def test_a_damaged_part_file_while_jobs_are_queued(study: Study, table: Table) -> None:
    """Queued jobs cannot read what to run; the driver hands their points out again."""
    study.ask("hang")
    study.ask("hang", NEXT)
    driver = study.start()
    study.reached()
    study.reached(NEXT)
    (part,) = study.folder.glob("outputs/sweeps/*/part-0.json")
    part.with_name("part-0 (copy).json").write_bytes(part.read_bytes())
    part.write_bytes(bytes(100))
    study.release()
    study.release(NEXT)
    said = driver.wait()
    assert driver.process.returncode == 0, said
    assert sum(study.measured().values()) == POINTS, said
    again = study.again()
    assert again.process.returncode == 0, again.said
    saw = line_with("part-0.json cannot be read", said)
    conclude(study, table, "a part file zeroed and copied while jobs are queued", saw)


def test_a_machine_that_is_renamed_between_two_commands(lab: Lab, table: Table, uri: str, tmp_path: Path) -> None:
    """On this machine, without SLURM: the claim of the first command names a host that is no more."""
    study = Study(lab=lab, folder=tmp_path, uri=uri, experiment="renamed", hardware=HERE)
    study.plan.mkdir()
    study.ask("hang")
    driver = study.start()
    study.reached()
    driver.kill()
    study.remember()
    assert len(study.before) == DONE
    study.host = "renamed.example"
    again = study.again()
    assert again.process.returncode == 0, again.said
    assert VICTIM in study.measured()
    conclude(study, table, "this machine's name changed between two commands", line_with("grid points:", again.said))
