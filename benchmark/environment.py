"""What a run ran on: host, GPU, versions, commit. Probing only; nothing here changes a setting."""

import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmark import __version__
from benchmark.record import Environment


@dataclass(frozen=True, kw_only=True)
class _Gpu:
    name: str | None = None
    uuid: str | None = None
    memory_bytes: int | None = None
    driver: str | None = None


def gpu_count() -> int:
    """CUDA GPUs that PyTorch can use here; it is loaded only where NVML says that there is a GPU at all."""
    import pynvml

    try:
        pynvml.nvmlInit()
        if not pynvml.nvmlDeviceGetCount():
            return 0
    except pynvml.NVMLError:
        return 0
    import torch

    return torch.cuda.device_count()


def probe(*, engine: str, attention: str, on_gpu: bool) -> Environment:
    """The environment of this process; the GPU's facts only for a run that uses one."""
    import torch

    gpu = _gpu() if on_gpu else _Gpu()
    return Environment(
        host=platform.node(),
        system=platform.platform(),
        cpu=cpu_name(),
        cpu_threads=torch.get_num_threads(),
        memory_bytes=psutil.virtual_memory().total,
        gpu=gpu.name,
        gpu_uuid=gpu.uuid,
        gpu_memory_bytes=gpu.memory_bytes,
        driver=gpu.driver,
        python=platform.python_version(),
        torch=torch.__version__,
        cuda=torch.version.cuda,
        transformers=version("transformers"),
        crossover=__version__,
        commit=_commit(),
        engine=engine,
        attention=attention,
    )


def _gpu() -> _Gpu:
    """The GPU that torch calls current, found in NVML by its UUID."""
    import pynvml
    import torch

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    uuid = f"GPU-{properties.uuid}"
    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        name, driver = pynvml.nvmlDeviceGetName(handle), pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError:
        name, driver = properties.name, None
    return _Gpu(name=name, uuid=uuid, memory_bytes=properties.total_memory, driver=driver)


@cache
def cpu_name() -> str:
    """The CPU, in its maker's words."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@cache
def _commit() -> str | None:
    """The checkout's commit; None outside a checkout, as in an installed wheel."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
