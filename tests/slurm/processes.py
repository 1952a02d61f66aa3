"""The processes of a lab: whose they are, and how they are ended."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

STARTED_S = 30.0


def pid_in(file: Path) -> int | None:
    """The process that a file names; None where it names none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def belongs(process: psutil.Process, node: str, folder: Path) -> bool:
    """Whether a process is a job's, or its keeper's, on this node of this lab."""
    try:
        environment = process.environ()
        if environment.get("SLURM_CONF") != str(folder / "slurm.conf"):
            return False
        return environment.get("SLURMD_NODENAME") == node
    except psutil.Error:
        return False


def keepers_of(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """The slurmstepd of each process."""
    keepers: dict[int, psutil.Process] = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            keepers |= {each.pid: each for each in process.parents() if each.name().startswith("slurmstepd")}
    return list(keepers.values())


def kill(processes: Sequence[psutil.Process], *, gently: bool = False) -> None:
    """End processes and wait until they are gone; `gently` gives them ten seconds to end by themselves."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM if gently else signal.SIGKILL)
    with suppress(RuntimeError):
        until("its daemons are gone", lambda: not any(map(_lives, processes)), seconds=10)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _lives(process: psutil.Process) -> bool:
    """Whether a process still does something; one that nobody has waited for does not."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def until(what: str, holds: Callable[[], bool], *, seconds: float = STARTED_S) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"SLURM lab: waited {seconds:.0f} s until {what}")
        time.sleep(0.1)
