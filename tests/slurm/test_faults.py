"""Each fault in the middle of a sweep; then the same command again, and nothing is lost, doubled or touched."""

from pathlib import Path

import psutil
import pytest

from tests.disks import fill, forbid_growth
from tests.slurm.lab import Lab
from tests.slurm.servers import Server
from tests.slurm.sweeps import VICTIM, Study, again_after_a_forgotten_job, kill, line_with, until
from tests.slurm.table import Table, conclude

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]
OTHERS = 3
"""Points that are neither done nor the victim."""


def test_sigkill_of_a_job_process(study: Study, table: Table) -> None:
    study.ask("hang")
    driver = study.start()
    kill(study.reached().pid)
    said = driver.wait()
    assert driver.process.returncode == 1
    assert study.failures() == ["killed"]
    assert study.again().process.returncode == 0
    conclude(study, table, "SIGKILL of a job's process", line_with(f"{VICTIM}: killed", said))


def test_scancel_of_one_array_task(study: Study, table: Table) -> None:
    study.ask("hang")
    driver = study.start()
    study.lab.command("scancel", study.reached().job)
    said = driver.wait()
    assert driver.process.returncode == 1
    assert study.failures() == ["cancelled"]
    assert study.again().process.returncode == 0
    conclude(study, table, "`scancel` of one array task", line_with(f"{VICTIM}: cancelled", said))


def test_a_node_that_is_lost(study: Study, table: Table) -> None:
    """Its power goes; SLURM starts the job again on the other node, without a second command."""
    study.ask("hang")
    driver = study.start()
    first = study.reached()
    study.lab.stop_node(first.node, jobs=True)
    try:
        study.lab.start_again(first.job)
        said = driver.wait()
    finally:
        bring_back(study.lab, first.node)
    assert driver.process.returncode == 0
    assert study.again().process.returncode == 0
    conclude(study, table, "a node lost with its job", line_with(f"{VICTIM}  ", said))


def test_a_slurmd_that_stops_while_its_job_lives_on(study: Study, table: Table) -> None:
    """SLURM starts the job again elsewhere; the first, which nobody waits for any more, must not add its result."""
    study.ask("hang")
    driver = study.start()
    first = study.reached()
    study.lab.stop_node(first.node, jobs=False)
    try:
        study.lab.start_again(first.job)
        said = driver.wait()
        assert psutil.pid_exists(first.pid), "the first job died with its node's daemon: nothing is proved"
        study.release()
        until("the first job is over", lambda: not lives(first.pid))
    finally:
        bring_back(study.lab, first.node)
    assert driver.process.returncode == 0
    assert study.again().process.returncode == 0
    conclude(study, table, "a node's slurmd stopped, its job alive", line_with(f"{VICTIM}  ", said))


def test_preemption_with_requeue(study: Study, table: Table) -> None:
    study.ask("hang")
    driver = study.start()
    first = study.reached()
    study.lab.command("sbatch", "-p", "urgent", "-w", first.node, "--exclusive", "-o", "/dev/null", "--wrap", "sleep 2")
    study.lab.start_again(first.job)
    said = driver.wait()
    assert driver.process.returncode == 0
    assert study.again().process.returncode == 0
    conclude(study, table, "preemption and requeue", line_with(f"{VICTIM}  ", said))


def test_out_of_memory_killed_by_the_kernel(study: Study, table: Table) -> None:
    study.ask("devour")
    driver = study.start()
    said = driver.wait()
    assert driver.process.returncode == 0, said
    assert study.failures() == ["out_of_memory"]
    assert study.again().process.returncode == 0
    assert study.failures() == ["out_of_memory"], "running out of memory is a result: it is not tried again unasked"
    assert study.again("rerun=failed").process.returncode == 0
    conclude(
        study,
        table,
        "out of memory, killed by SLURM (then `rerun=failed`)",
        line_with(f"{VICTIM}: out of memory", said),
    )


def test_out_of_memory_raised_by_torch(study: Study, table: Table) -> None:
    study.ask("memory")
    said = study.again().said
    assert study.failures() == ["out_of_memory"]
    assert study.again("rerun=failed").process.returncode == 0
    conclude(study, table, "out of memory, raised (then `rerun=failed`)", line_with(f"{VICTIM}: out of memory", said))


def test_an_exception_in_one_point(study: Study, table: Table) -> None:
    study.ask("raise")
    driver = study.again()
    assert driver.process.returncode == 1
    assert study.failures() == ["error"]
    assert sum(study.measured().values()) == len(study.before) + OTHERS, "the others went on"
    assert study.again().process.returncode == 0
    conclude(study, table, "an exception in one point", line_with(f"{VICTIM}: error", driver.said))


def test_the_driver_killed(study: Study, table: Table) -> None:
    study.ask("hang")
    driver = study.start()
    study.reached()
    driver.kill()
    study.release()
    until(
        "the jobs have finished by themselves", lambda: sum(study.measured().values()) == len(study.before) + 1 + OTHERS
    )
    again = study.again()
    assert again.process.returncode == 0
    conclude(study, table, "the driver killed (SIGKILL)", line_with("grid points:", again.said))


def test_the_mlflow_server_killed_and_back(study: Study, table: Table, server: Server) -> None:
    """Jobs log to the server themselves: those that end while it is away are logged by the next command."""
    study.uri, study.experiment = server.uri, "killed-server"
    study.overrides = ("tracking=server",)
    study.ask("hang")
    driver = study.start()
    study.reached()
    server.kill()
    study.release()
    said = driver.wait()
    assert driver.process.returncode == 0, said
    server.start()
    assert study.again().process.returncode == 0
    conclude(study, table, "the MLflow server killed and back", line_with("MLflow:", said))


def test_the_tracking_disk_full(study: Study, table: Table, full_disk: Path) -> None:
    study.uri = f"sqlite:///{full_disk}/mlflow.db"
    study.ask("hang")
    driver = study.start()
    study.reached()
    waste = fill(full_disk)
    study.release()
    said = driver.wait()
    assert driver.process.returncode == 0, said
    waste.unlink()
    assert study.again().process.returncode == 0
    conclude(study, table, "the tracking disk full", line_with("MLflow:", said))


def test_the_tracking_database_may_not_grow(study: Study, table: Table, tmp_path: Path) -> None:
    """The same where nobody may mount a disk: the kernel refuses every write to the driver, who logs for the jobs."""
    study.uri = f"sqlite:///{tmp_path}/mlflow.db"
    study.ask("hang")
    driver = study.start()
    study.reached()
    forbid_growth(driver.process.pid)
    study.release()
    said = driver.wait()
    assert driver.process.returncode == 0, said
    assert study.again().process.returncode == 0
    conclude(study, table, "the tracking database cannot be written to", line_with("MLflow:", said))


def test_a_truncated_record_file(study: Study, table: Table) -> None:
    """One of those done before: its values are gone, and are measured again; the others are not touched."""
    study.runs()
    study.ask("hang")
    driver = study.start()
    study.reached()
    file = min(study.before)
    file.write_bytes(file.read_bytes()[:1000])
    study.release()
    driver.wait()
    study.before = {each: digest for each, digest in study.before.items() if each != file}
    again = study.again()
    assert again.process.returncode == 0, again.said
    conclude(study, table, "a truncated record file", line_with("cannot be read", again.said))


def test_two_drivers_with_the_same_sweep_at_once(study: Study, table: Table) -> None:
    drivers = [study.start(), study.start()]
    said = [driver.wait() for driver in drivers]
    assert [driver.process.returncode for driver in drivers] == [0, 0], "\n".join(said)
    again = study.again()
    assert again.process.returncode == 0
    conclude(study, table, "two drivers with the same sweep at once", line_with("another sweep", "\n".join(said)))


def test_the_time_limit(study: Study, table: Table) -> None:
    study.ask("hang")
    driver = study.start("hydra.launcher.timeout_min=1")
    said = driver.wait(240)
    assert driver.process.returncode == 1
    assert study.failures() == ["timeout"]
    assert study.again().process.returncode == 0
    conclude(study, table, "the time limit", line_with(f"{VICTIM}: timeout", said))


def test_a_job_that_the_cluster_has_forgotten(
    whole: Study, table: Table, uri: str, tmp_path: Path, forgetful: Lab
) -> None:
    """A cluster without accounting, whose controller forgets a job soon after its end; nobody watched it."""
    study = Study(lab=forgetful, folder=tmp_path, uri=uri, experiment="forgotten")
    study.prepare(whole.journal.folder)
    again = again_after_a_forgotten_job(study)
    conclude(study, table, "job and driver killed, no accounting", line_with("grid points:", again.said))


def bring_back(lab: Lab, node: str) -> None:
    lab.start_node(node)
    until(f"{node} is up again", lambda: lab.node_is_up(node))


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
