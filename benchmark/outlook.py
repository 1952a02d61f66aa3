"""What can be said of a run before it starts: its shape, its device's ceilings, and what follows from both."""

import logging
from dataclasses import dataclass
from statistics import median

import torch

from benchmark.ceilings import ceilings
from benchmark.measure import Measured
from benchmark.models.checkpoint import find, is_remote, read_config
from benchmark.prediction import PARAMETER_BYTES, predict
from benchmark.shelf import DTYPES
from benchmark.work import Ceilings, Shape, floor_s, passes, shape_of, total
from records.errors import UserError
from records.profile import Limits
from records.record import Prediction
from records.run import Run
from records.settings import Device, Weights

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A run's shape, the ceilings of the device that it is about to run on, and what they predict."""

    shape: Shape
    ceilings: Ceilings
    prediction: Prediction


def look_ahead(run: Run) -> Outlook | None:
    """The outlook on this machine; None where shape or device do not say enough. It never fails a run."""
    try:
        shape = shape_of_run(run)
        found = ceilings(torch.device(run.device.value), DTYPES[run.precision])
        prediction = predict(run, shape, found, gpu_memory_bytes(run.device))
    except (UserError, KeyError, RuntimeError, OSError, ValueError) as error:  # the run itself will say it better
        log.info("no outlook on %s: %s", run.name, error)
        return None
    return Outlook(shape=shape, ceilings=found, prediction=prediction)


def gpu_memory_bytes(device: Device) -> int | None:
    """All memory of this machine's current GPU; None on a CPU."""
    if device is Device.cpu:
        return None
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)


def shape_of_run(run: Run) -> Shape:
    """The shape by the checkpoint's config.json, or by that of the known architecture where it is not on this machine.

    Raises:
        UserError: when neither is there.
    """
    known = run.model.architecture
    stands_in = known is not None and (run.weights is Weights.random or is_remote(run.model.checkpoint))
    name = known if stands_in and known is not None else run.model.checkpoint
    folder = find(name, run.model.revision, files=("config.json",))
    return shape_of(read_config(folder), PARAMETER_BYTES[run.precision])


def limits(run: Run, outlook: Outlook | None, measured: Measured) -> Limits | None:
    """The run held against its device; None where that is not known."""
    if outlook is None:
        return None
    latency_s = median(timed.timing.latency_s for timed in measured.samples)
    works = list(passes(run, outlook.shape))
    work, found = total(works), outlook.ceilings
    least_s = floor_s(works, found)
    return Limits(
        copy_bytes_per_s=found.copy_bytes_per_s,
        matrix_flop_per_s=found.matrix_flop_per_s,
        flop=work.flop,
        bytes=work.bytes,
        floor_s=least_s,
        floor_share=least_s / latency_s,
        matrix_share=work.flop / latency_s / found.matrix_flop_per_s,
        copy_share=work.bytes / latency_s / found.copy_bytes_per_s,
    )
