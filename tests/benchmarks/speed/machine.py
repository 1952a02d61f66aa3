"""The GPU and the rates that it keeps up."""

import platform
import sys
import time
from importlib.metadata import version

import torch

from benchmark.hardware.environment import probe
from benchmark.roofline.work import Ceilings
from tests.benchmarks.speed.cases import CUDA


def say_machine(ceilings: Ceilings, sustained: float) -> None:
    """The GPU, the versions, and the rates."""
    where = probe(engine="", attention="", on_gpu=True)
    print(f"{where.gpu}, driver {where.driver}; Python {platform.python_version()}, PyTorch {torch.__version__},")
    print(f"transformers {version('transformers')}; commit {where.commit}; command: {' '.join(sys.orig_argv[1:])}")
    print(
        f"copy {ceilings.copy_bytes_per_s / 1e12:.2f} TB/s; 8192-cubed product in bfloat16"
        f" {ceilings.matrix_flop_per_s / 1e12:.0f} TFLOP/s for 30 ms, {sustained / 1e12:.0f} kept up for 2 s"
        f" (then {power_now()})\n",
        flush=True,
    )


def sustained_flop_per_s(seconds: float = 2.0) -> float:
    """Rate of the same product for as long as a run takes: the power limit lowers the clock meanwhile."""
    a, b = (torch.randn(8192, 8192, device=CUDA, dtype=torch.bfloat16) for _ in range(2))
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(20):
            torch.mm(a, b)
        torch.cuda.synchronize()
        done += 20
    return done * 2 * 8192**3 / (time.perf_counter() - start)


def power_now() -> str:
    """The clock and the power that the GPU runs at now."""
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
    clock = pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
    return f"SM at {clock} MHz, {pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3:.0f} W"
