"""The estimate of a run before it starts: its shape, its device's ceilings, and the prediction from both."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmark.decoders.schedule import Forward
from benchmark.models.loaded import DTYPES
from benchmark.roofline.ceilings import ceilings
from benchmark.roofline.expected import shape_of_run
from benchmark.roofline.prediction import predict
from benchmark.roofline.work import Ceilings, Shape, floor_s, passes, total
from crossover.errors import UserError
from crossover.records.profile import Limits
from crossover.records.record import Prediction
from crossover.records.run import Run
from crossover.records.settings import Device

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A run's shape, the ceilings of the device that it is about to run on, and what they predict."""

    shape: Shape
    ceilings: Ceilings
    prediction: Prediction


def estimate_run(run: Run) -> Estimate | None:
    """The estimate on this machine; None where the shape or the ceilings are not known. It never raises."""
    try:
        shape = shape_of_run(run)
        device_ceilings = ceilings(torch.device(run.device.value), DTYPES[run.precision])
        prediction = predict(run, shape, device_ceilings, gpu_memory_bytes(run.device))
    except (UserError, KeyError, RuntimeError, OSError, ValueError) as error:  # the run says it better
        log.info("no estimate on %s: %s", run.name, error)
        return None
    return Estimate(shape=shape, ceilings=device_ceilings, prediction=prediction)


def gpu_memory_bytes(device: Device) -> int | None:
    """All memory of this machine's current GPU; None on a CPU."""
    if device is Device.cpu:
        return None
    return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)


def limits(run: Run, estimate: Estimate | None, latency_s: float, counted: Sequence[Forward] = ()) -> Limits | None:
    """The run's speed against its device's ceilings; None without an estimate."""
    if estimate is None:
        return None
    works = list(passes(run, estimate.shape, counted))
    work, device_ceilings = total(works), estimate.ceilings
    least_s = floor_s(works, device_ceilings)
    return Limits(
        copy_bytes_per_s=device_ceilings.copy_bytes_per_s,
        matrix_flop_per_s=device_ceilings.matrix_flop_per_s,
        flop=work.flop,
        bytes=work.bytes,
        floor_s=least_s,
        floor_share=least_s / latency_s,
        matrix_share=work.flop / latency_s / device_ceilings.matrix_flop_per_s,
        copy_share=work.bytes / latency_s / device_ceilings.copy_bytes_per_s,
    )
