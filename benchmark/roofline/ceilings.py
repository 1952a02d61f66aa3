"""The two ceilings of a device, measured once and kept: how fast it copies, how fast it multiplies matrices.

Copying counts bytes read and bytes written. Buffers are far larger than any cache. Each figure is the median of
repeats, by CUDA events on a GPU and by the monotonic clock on a CPU. A product is dense, square, in the run's type,
with random operands: zeros draw less power and show a rate that no real work reaches. A figure that was measured beside
another process on the GPU, or while the GPU was throttled, is used but not kept.
"""

import contextlib
import itertools
import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from statistics import median

import torch

from benchmark.hardware.clock import Clock, CudaClock, HostClock
from benchmark.hardware.verdict import WORDS, labels
from benchmark.roofline.work import Ceilings
from benchmark.util.cache import extend_cache, read_cache
from crossover.records.machine import Label

log = logging.getLogger(__name__)

GPU_COPY_BYTES, GPU_MATRIX, GPU_REPEATS = 2 << 30, 8192, 20
CPU_COPY_BYTES, CPU_MATRIX, CPU_REPEATS = 256 << 20, 768, 7
WARMUP = 3
CACHE = "ceilings.json"
"""Where ceilings are kept in the user's cache folder."""
SPOILING = {Label.foreign_process, Label.throttled, Label.stopped}
"""Labels of a measurement whose figures may be lower than what the device can do."""


def ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """The device's ceilings for `dtype`: those kept from an earlier measurement of the same device, else measured.

    UUID, driver and PyTorch's version identify a GPU; name, threads and PyTorch's version identify a CPU.
    """
    return _ceilings(device, dtype, _identity(device, dtype))


@cache
def _ceilings(device: torch.device, dtype: torch.dtype, identity: str) -> Ceilings:
    from benchmark.hardware.environment import watch

    if (known := kept(identity)) is not None:
        return known
    with watch(on_gpu=device.type == "cuda")() as seen:
        measured = measure_ceilings(device, dtype)
    spoilt = SPOILING.intersection(*labels([seen.conditions], os.cpu_count() or 1))
    if not spoilt:
        return keep(identity, measured)
    why = ", ".join(sorted(WORDS[label] for label in spoilt))
    log.warning("the device's ceilings were measured while it was disturbed (%s): used for now, not kept", why)
    return measured


def measure_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Measure now: half a second on a GPU, less than that on a CPU."""
    on_gpu = device.type == "cuda"
    clock: Clock = CudaClock() if on_gpu else HostClock()
    copied = GPU_COPY_BYTES if on_gpu else CPU_COPY_BYTES
    size = GPU_MATRIX if on_gpu else CPU_MATRIX
    repeats = GPU_REPEATS if on_gpu else CPU_REPEATS
    # A first product, for which cuBLAS takes a workspace that it keeps: later it would take it out of freed gigabytes,
    # which could then not be given back.
    torch.mm(*torch.ones(2, 16, 16, device=device, dtype=dtype))
    measured = Ceilings(
        copy_bytes_per_s=2 * copied / _copy_s(copied, device, clock, repeats),
        matrix_flop_per_s=2 * size**3 / _product_s(size, device, dtype, clock, repeats),
    )
    if on_gpu:
        torch.cuda.empty_cache()  # gigabytes that the next tensors may need in other sizes
    return measured


def kept(identity: str) -> Ceilings | None:
    """The ceilings that were measured before; None where there are none, or the file cannot be read."""
    with contextlib.suppress(KeyError, TypeError):
        return Ceilings(**read_cache(CACHE)[identity])
    return None


def keep(identity: str, measured: Ceilings) -> Ceilings:
    """Add the measured ceilings to the file. If it cannot be written, the next run measures again, in a second."""
    extend_cache(CACHE, {identity: asdict(measured)})
    return measured


def _identity(device: torch.device, dtype: torch.dtype) -> str:
    from benchmark.hardware.environment import cpu_name, gpu_facts

    if device.type == "cuda":
        gpu = gpu_facts()
        where = f"{gpu.name} {gpu.uuid} driver {gpu.driver}"
    else:
        where = f"{cpu_name()} {torch.get_num_threads()} threads"
    return f"{where} torch {torch.__version__} {str(dtype).removeprefix('torch.')}"


def _copy_s(size: int, device: torch.device, clock: Clock, repeats: int) -> float:
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return _median_s(lambda: target.copy_(source), clock, repeats)


def _product_s(size: int, device: torch.device, dtype: torch.dtype, clock: Clock, repeats: int) -> float:
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(a)
    return _median_s(lambda: torch.mm(a, b, out=product), clock, repeats)


def _median_s(work: Callable[[], object], clock: Clock, repeats: int) -> float:
    for _ in range(WARMUP):
        work()
    marks = [clock.mark()]
    for _ in range(repeats):
        work()
        marks.append(clock.mark())
    clock.synchronize()
    return median(end.seconds_since(start) for start, end in itertools.pairwise(marks))
