"""One GPU is never shared by two timed processes of this program: the second waits until the first has ended."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

_HELD: dict[Path, FileLock] = {}
"""The files that this process has locked."""


def occupy(say: Callable[[str], None]) -> None:
    """Take this process's GPU until the process ends; wait while another has it, and say so."""
    import torch

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    hold(Path(tempfile.gettempdir()) / f"crossover-gpu-{properties.uuid}.lock", say)


def hold(file: Path, say: Callable[[str], None]) -> None:
    """Lock a file until the process ends."""
    if file in _HELD:
        return
    lock = FileLock(file, mode=0o666)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("another sweep is measuring on this GPU: waiting until it has ended")
        lock.acquire()
    _HELD[file] = lock
