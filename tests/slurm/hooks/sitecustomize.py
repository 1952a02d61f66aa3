"""Faults inside jobs: on PYTHONPATH this is loaded by every Python, and does nothing but for those named in a plan.

A point is reached when its run opens the file of prompts: the model is loaded, nothing is measured yet. The plan is a
folder, CROSSOVER_FAULTS: `NAME.do` says what happens to the run of that name (hang, raise, memory, devour), once;
`NAME.reached` is written when it does, and a point that hangs goes on when `NAME.go` is there. CROSSOVER_HOST is the
machine's name.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

PROMPTS = "austen.jsonl"
CHUNK = 64 * 2**20


def _run_name() -> str | None:
    """The run that is being measured, found where it is a local variable of the pipeline."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_name == "measure_run" and "run" in frame.f_locals:
            return str(frame.f_locals["run"].name)
        frame = frame.f_back
    return None


def _fault(plan: Path) -> None:
    name = _run_name()
    if name is None or not (plan / f"{name}.do").is_file():
        return
    action = (plan / f"{name}.do").read_text()
    reached = plan / f"{name}.reached"
    if reached.is_file():
        return
    facts = {"pid": os.getpid(), "node": os.environ.get("SLURMD_NODENAME"), "job": _job()}
    partial = plan / f"{name}.partial"
    partial.write_text(json.dumps(facts))
    partial.rename(reached)
    _act(action, plan / f"{name}.go")


def _job() -> str:
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID", ""), os.environ.get("SLURM_ARRAY_TASK_ID", "")
    return f"{array}_{task}" if array else os.environ.get("SLURM_JOB_ID", "")


def _act(action: str, go: Path) -> None:
    if action == "hang":
        while not go.exists():
            time.sleep(0.1)
    elif action == "raise":
        raise RuntimeError("a bug in one grid point")
    elif action == "memory":
        raise MemoryError("a tensor too many")
    elif action == "devour":
        hoard = []
        while True:
            hoard.append(bytearray(os.urandom(4096)) * (CHUNK // 4096))


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(PROMPTS):
        _fault(Path(os.environ["CROSSOVER_FAULTS"]))


if "CROSSOVER_FAULTS" in os.environ:
    sys.addaudithook(_watch)
if "CROSSOVER_HOST" in os.environ:
    import socket

    socket.gethostname = lambda: os.environ["CROSSOVER_HOST"]
