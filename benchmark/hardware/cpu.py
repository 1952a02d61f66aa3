"""The cores that this process may run on, and how long they were busy, as Linux tells it.

A job on a shared node has some of its cores. What others do on the rest is hardly in the way of a host that launches a
GPU's kernels; it is in the way of a model on the CPU, with which it shares the memory's bandwidth.
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from benchmark.util.ranges import expand

STAT = Path("/proc/stat")
TASKS = Path("/proc/self/task")
TOPOLOGY = Path("/sys/devices/system/cpu")
CORE = re.compile(r"^cpu(\d+) (.*)$", re.MULTILINE)
IDLE, WAITING, COUNTED = 3, 4, 8
"""Places of /proc/stat's columns: idle, waiting for a disk; those from the last on stand in others already."""


def own_cores() -> frozenset[int] | None:
    """The cores of all threads of this process, with their hyperthreads; None where it has all, or nobody tells."""
    try:
        told = _busy_ticks().keys()
        own = frozenset(hyper for core in _allowed() for hyper in _hyperthreads(core))
    except (OSError, AttributeError):  # no Linux
        return None
    return own if own < told else None


def busy_s(cores: frozenset[int]) -> float:
    """CPU seconds in which these cores were neither idle nor waiting for a disk; stolen time is busy."""
    ticks = _busy_ticks()
    return sum(ticks.get(core, 0) for core in cores) / os.sysconf("SC_CLK_TCK")


def _busy_ticks() -> dict[int, int]:
    """Of each core, by its number."""
    ticks_of = {}
    for core, columns in CORE.findall(STAT.read_text(encoding="ascii")):
        ticks = [int(column) for column in columns.split()][:COUNTED]
        ticks_of[int(core)] = sum(ticks) - ticks[IDLE] - ticks[WAITING]
    return ticks_of


def _allowed() -> set[int]:
    """A thread may be bound to fewer cores than the others, the first one above all."""
    cores: set[int] = set()
    for task in TASKS.iterdir():
        with suppress(ProcessLookupError):  # it has ended
            cores |= os.sched_getaffinity(int(task.name))
    return cores


def _hyperthreads(core: int) -> set[int]:
    """The numbers under which a core's hyperthreads go, its own among them."""
    try:
        text = (TOPOLOGY / f"cpu{core}" / "topology" / "thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return {core}
    return {core, *expand(text.strip())}
