"""What is expected of a run before anything is loaded: its shape, its cost, and the ceilings of GPUs by their kind.

Nothing here asks the device, so that a sweep can be planned without PyTorch.
"""

from benchmark.models.checkpoint import find, is_remote, read_config
from benchmark.roofline.prediction import PARAMETER_BYTES, cost_s, predict
from benchmark.roofline.work import Ceilings, Shape, shape_of
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Device, Weights

GIB = 1 << 30
NOMINAL = {
    "A100": (Ceilings(copy_bytes_per_s=1.75e12, matrix_flop_per_s=260e12), 79 * GIB),
    "H100": (Ceilings(copy_bytes_per_s=2.99e12, matrix_flop_per_s=750e12), 79 * GIB),
    "H200": (Ceilings(copy_bytes_per_s=4.2e12, matrix_flop_per_s=780e12), 139 * GIB),
}
"""Bfloat16 ceilings and memory of GPUs that this machine does not have: 85% of the data sheet's, or as measured."""
SOME_CPU = Ceilings(copy_bytes_per_s=2e10, matrix_flop_per_s=2e11)
"""Ceilings of a CPU of which nothing is known: right enough to tell a long run from a short one."""


def shape_of_run(run: Run) -> Shape:
    """The shape from the checkpoint's config.json, or from that of its architecture if the checkpoint is elsewhere.

    Raises:
        UserError: when neither file is there.
    """
    known = run.model.architecture
    stands_in = known is not None and (run.weights is Weights.random or is_remote(run.model.checkpoint))
    name = known if stands_in and known is not None else run.model.checkpoint
    folder = find(name, run.model.revision, files=("config.json",))
    return shape_of(read_config(folder), PARAMETER_BYTES[run.precision])


def expected_s(run: Run) -> float | None:
    """Seconds of a whole run on a nominal device, to tell long runs from short ones; None where its shape is unknown.

    Neither the start of a process nor loading and compiling is in it.
    """
    ceilings = SOME_CPU if run.device is Device.cpu else NOMINAL["H100"][0]
    try:
        shape = shape_of_run(run)
        return cost_s(run, shape, predict(run, shape, ceilings), loads=False, starts=False, compiles=False)
    except (UserError, KeyError, OSError, ValueError):  # the run says it better
        return None
