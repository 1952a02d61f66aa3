"""Which process of which machine, and whether it lives: by what neither a clock nor a new host name changes.

The kernel gives each start of a machine an id, and counts in ticks from that start. A process is known by that id, its
number, and the tick at which it began. Containers of one machine share the id, and each may number its processes anew.
"""

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")
TOLERANCE_S = 1.0
"""How far two readings of a process's start may differ, where they follow the clock."""
AFTER_NAME = 3
"""The first field of /proc/PID/stat behind the process's name, which may hold anything."""
STATE, START_TICKS = 3 - AFTER_NAME, 22 - AFTER_NAME
ENDED = frozenset({"Z", "X"})


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A process by its kernel: the id of the machine's start, the numbering of processes, the tick of its own start."""

    boot: str
    namespace: str
    start_ticks: int


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process of some machine.

    Attributes:
        created: its start by the machine's clock, seconds since 1970.
        identity: null where the kernel does not tell, and in files of earlier versions.
    """

    host: str
    pid: int
    created: float
    identity: Identity | None = None


def own_process() -> Process:
    """This process."""
    process = psutil.Process()
    return Process(
        host=socket.gethostname(),
        pid=process.pid,
        created=process.create_time(),
        identity=_identity(process.pid),
    )


def lives(process: Process) -> bool | None:
    """Whether a process lives; None where this machine cannot tell, since it is another's or another container's."""
    boot, identity = _read(BOOT), process.identity
    is_same_host = process.host == socket.gethostname()
    if identity is None or not boot:
        return process_is_alive(process.pid, process.created) if is_same_host else None
    if identity.boot != boot:
        return False if is_same_host else None  # this machine has started again since
    return _lives_since_boot(process.pid, identity) if identity.namespace == _namespace() else None


def process_is_alive(pid: int, created: float) -> bool:
    """Whether a process of this machine still runs, by the clock; another process may have its number since."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < TOLERANCE_S and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):  # a damaged file may hold any number
        return False


def _lives_since_boot(pid: int, identity: Identity) -> bool | None:
    fields = _stat(pid)
    if fields is None:
        return None if _is_hidden(pid) else False
    return int(fields[START_TICKS]) == identity.start_ticks and fields[STATE] not in ENDED


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process, although /proc does not show it: some machines hide those of other users."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _identity(pid: int) -> Identity | None:
    boot, namespace, fields = _read(BOOT), _namespace(), _stat(pid)
    if not boot or not namespace or fields is None:
        return None
    return Identity(boot=boot, namespace=namespace, start_ticks=int(fields[START_TICKS]))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the process's name."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields if len(fields) > START_TICKS else None


def _namespace() -> str:
    try:
        return str(NAMESPACE.readlink())
    except OSError:
        return ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
