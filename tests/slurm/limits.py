"""What a cluster's administrators do to its users: fewer jobs, nodes on which no job starts."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from tests.slurm.lab import Lab
from tests.slurm.sweeps import until


@contextmanager
def most_jobs(lab: Lab, most: int) -> Iterator[None]:
    """Within the body, a user may have no more jobs than these."""
    _set(lab, most)
    until("the limit is known", lambda: f"MaxSubmitJobs={most}(" in _associations(lab), 30)
    try:
        yield
    finally:
        _set(lab, -1)
        until("the limit is gone", lambda: "MaxSubmitJobs=\n" in _associations(lab), 30)


@contextmanager
def failing_launches(lab: Lab) -> Iterator[None]:
    """Within the body, no job starts: SLURM queues it again and holds it, and drains its node."""
    lab.settings.launches_fail.touch()
    try:
        yield
    finally:
        lab.settings.launches_fail.unlink()
        lab.command("scontrol", "update", "NodeName=n1,n2", "State=RESUME")


def _set(lab: Lab, most: int) -> None:
    lab.command("sacctmgr", "-n", "-i", "modify", "user", getpass.getuser(), "set", f"MaxSubmitJobs={most}")


def _associations(lab: Lab) -> str:
    user = f"users={getpass.getuser()}"
    words = lab.command("scontrol", "-o", "show", "assoc_mgr", "flags=assoc", user).split()
    return "".join(f"{word}\n" for word in words)
