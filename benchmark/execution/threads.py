"""How many threads PyTorch computes with on a CPU: a control, chosen by the model's size before anything is computed.

PyTorch's threads spin while they wait for each other. Where another process has one of their cores, every operation of
a tiny model waits for a time slice: one busy process on two cores made such a model 15 times slower. A tiny model gains
little by a second thread, so it gets one.
"""

import os
from collections.abc import Mapping

from benchmark.hardware.cpu import physical_cores
from benchmark.models.checkpoint import architecture_folder, find, read_config
from benchmark.roofline.work import shape_of
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Device, Weights

TINY = 20_000_000
"""Models with fewer parameters are computed by one thread."""
SET_BY_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that say how many threads PyTorch starts with; the first that is set counts."""


def threads_of(run: Run, environment: Mapping[str, str] = os.environ) -> int | None:
    """The threads of a run on this machine's CPU; None leaves the number to PyTorch.

    A number that the run names counts before one of the environment, and that before the model's size.
    """
    if run.threads is not None:
        return run.threads
    if run.device is not Device.cpu:
        return None
    for name in SET_BY_USER:
        if value := environment.get(name):
            return int(value) if value.isdigit() and int(value) else None
    return 1 if _is_tiny(run) else physical_cores()


def set_threads(run: Run) -> None:
    """Have PyTorch compute a run with its number of threads."""
    import torch

    if (threads := threads_of(run)) is not None:
        torch.set_num_threads(threads)


def _is_tiny(run: Run) -> bool:
    """Whether the model is known to be tiny. One whose configuration is not here gets all cores."""
    try:
        if run.weights is Weights.random:
            folder = architecture_folder(run.model.architecture, run.model.checkpoint, run.model.revision)
        else:
            folder = find(run.model.checkpoint, run.model.revision, files=("config.json",))
        return shape_of(read_config(folder), 1).parameters < TINY
    except (UserError, KeyError, TypeError, ZeroDivisionError):  # the run says it better
        return False
