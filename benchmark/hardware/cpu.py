"""The cores that this process may run on, and how long they were busy, as Linux counts it.

A job on a shared node has some of the node's cores. Work on the other cores hardly disturbs a host that launches a
GPU's kernels. It does disturb a model on the CPU, since all cores share the memory's bandwidth.
"""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from benchmark.util.ranges import expand

STAT = Path("/proc/stat")
TASKS = Path("/proc/self/task")
TOPOLOGY = Path("/sys/devices/system/cpu")
CORE = re.compile(r"^cpu(\d+) (.*)$", re.MULTILINE)
IDLE, WAITING, COUNTED = 3, 4, 8
"""Columns of /proc/stat: the indices of idle and of waiting for a disk, and how many columns count time only once."""


def own_cores() -> frozenset[int] | None:
    """The cores of all threads of this process, with their hyperthreads; None for all cores, or not on Linux."""
    try:
        told = _busy_ticks().keys()
        own = frozenset(hyper for core in _allowed() for hyper in _hyperthreads(core))
    except (OSError, AttributeError):  # no Linux
        return None
    return own if own < told else None


def physical_cores() -> int:
    """Cores that this process may run on; two hyperthreads are one core."""
    try:
        return len({min(_hyperthreads(core)) for core in _allowed()})
    except (OSError, AttributeError):  # no Linux
        return psutil.cpu_count(logical=False) or 1


def usable_cores() -> list[frozenset[int]]:
    """The cores that this process may run on, in order, each as those of its hyperthreads that may be used."""
    try:
        allowed = _allowed()
    except (OSError, AttributeError):  # no Linux
        return []
    return sorted({frozenset(_hyperthreads(core) & allowed) for core in allowed}, key=min)


def core_shares(near: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    """Cores for processes of which each has some near cores: whole ones, as many for each, and none for two of them.

    A process none of whose near cores may be used gets others. All shares are empty where there are too few cores.
    """
    cores = usable_cores()
    choices = [tuple(core for core in cores if core & each) or tuple(cores) for each in near]
    shares = []
    for index, choice in enumerate(choices):
        of, among = choices[:index].count(choice), choices.count(choice)
        part = choice[of * len(choice) // among : (of + 1) * len(choice) // among]
        shares.append(frozenset(core for each in part for core in each))
    is_shared = sum(map(len, shares)) > len(frozenset().union(*shares))
    return [frozenset()] * len(near) if is_shared or not all(shares) else shares


def busy_s(cores: frozenset[int]) -> float:
    """CPU seconds in which these cores were neither idle nor waiting for a disk; stolen time is busy."""
    ticks = _busy_ticks()
    return sum(ticks.get(core, 0) for core in cores) / os.sysconf("SC_CLK_TCK")


def _busy_ticks() -> dict[int, int]:
    """Busy ticks of each core, by the core's number."""
    ticks_of = {}
    for core, columns in CORE.findall(STAT.read_text(encoding="ascii")):
        ticks = [int(column) for column in columns.split()][:COUNTED]
        ticks_of[int(core)] = sum(ticks) - ticks[IDLE] - ticks[WAITING]
    return ticks_of


def _allowed() -> set[int]:
    """The cores of all threads together: one thread, often the first, may be bound to fewer cores than the others."""
    cores: set[int] = set()
    for task in TASKS.iterdir():
        with suppress(ProcessLookupError):  # it has ended
            cores |= os.sched_getaffinity(int(task.name))
    return cores


def _hyperthreads(core: int) -> set[int]:
    """The numbers of a core's hyperthreads, its own among them."""
    try:
        text = (TOPOLOGY / f"cpu{core}" / "topology" / "thread_siblings_list").read_text(encoding="ascii")
    except OSError:
        return {core}
    return {core, *expand(text.strip())}
