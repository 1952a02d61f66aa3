"""The environment of a run: host, GPU, versions, commit. Nothing here changes a setting."""

import platform
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmark.hardware.cpu import own_cores
from benchmark.hardware.monitor import Watch, other_load
from benchmark.hardware.nvml import Gpu, driver_version, gpu_names
from benchmark.hardware.variables import variables
from crossover import __version__
from crossover.errors import UserError
from crossover.records.machine import Card, Environment

DIRTY = "-dirty"
SLICE = "MIG"
"""The word in the name of a slice of a GPU: NVIDIA A100-SXM4-80GB MIG 3g.40gb."""


@dataclass(frozen=True, kw_only=True)
class GpuFacts:
    """The facts that identify a GPU."""

    name: str | None = None
    uuid: str | None = None
    memory_bytes: int | None = None
    driver: str | None = None


def gpu_count() -> int:
    """Number of CUDA GPUs that PyTorch can use here. PyTorch is loaded only where NVML knows a GPU."""
    if not gpu_names():
        return 0
    import torch

    return torch.cuda.device_count()


def probe(*, engine: str, attention: str, on_gpu: bool) -> Environment:
    """The environment of this process; the GPU's facts only for a run that uses one."""
    import torch

    gpu, commit = gpu_facts() if on_gpu else GpuFacts(), _commit()
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
        commit=commit,
        engine=engine,
        attention=attention,
        dirty=None if commit is None else commit.endswith(DIRTY),
        cudnn=_cudnn(),
        flash_attn=package_version("flash-attn"),
        variables=variables(),
        card=None if gpu.uuid is None else _card(gpu.uuid),
    )


def require_gpu(words: str) -> None:
    """Make sure that the GPU's name has all these words, such as `A100 80GB`.

    Raises:
        UserError: with the name that it has.
    """
    name = gpu_facts().name or "a GPU without a name"
    if not missing_words(name, SLICE) and missing_words(words, SLICE):
        raise UserError(
            f"this run demands a whole GPU named {words!r} (hardware.gpu) and this is a slice of one, {name!r}:"
            " ask for a whole one, or name the slice in hardware.gpu"
        )
    if missing := missing_words(name, words):
        raise UserError(
            f"this run demands a GPU named {words!r} (hardware.gpu) and this is {name!r}, which has no"
            f" {' '.join(sorted(missing))!r}: use hardware=gpu for whatever GPU there is, or hardware.gpu=NAME"
        )


def require_watched() -> None:
    """Make sure that the GPU can be watched.

    Raises:
        UserError: naming what is missing for that.
    """
    gpu = current_gpu()
    if gpu is None:
        missing = "NVML does not answer, or does not know it"
    elif gpu.reading().sm_mhz is None:
        missing = "NVML does not tell its clock"
    else:
        return
    raise UserError(
        f"strict=true keeps only figures of a watched GPU, and {gpu_facts().name} cannot be watched: {missing};"
        " make `nvidia-smi -q -d CLOCK` tell it on this machine, or leave out strict=true"
    )


def watch(*, on_gpu: bool) -> Watch:
    """The monitor of the machine around each sample; without NVML it watches the CPU alone.

    It watches the cores that can disturb the run: all cores for a run on the CPU, this process's for a run on a GPU.
    """
    import torch

    if not on_gpu:
        return Watch(None, other_load(), lambda: 0)
    return Watch(current_gpu(), other_load(own_cores()), torch.cuda.memory_reserved)


def current_gpu() -> Gpu | None:
    """NVML's handle of PyTorch's current GPU; None where NVML does not know it."""
    uuid = gpu_facts().uuid
    return None if uuid is None else Gpu.find(uuid)


def missing_words(name: str, words: str) -> set[str]:
    """The words of `words` that a GPU's name lacks: `NVIDIA A100-SXM4-80GB` has nvidia, a100, sxm4 and 80gb."""
    has, wanted = (set(re.findall(r"[a-z0-9]+", text.lower())) for text in (name, words))
    return wanted - has


def _card(uuid: str) -> Card | None:
    gpu = Gpu.find(uuid)
    return None if gpu is None else gpu.card()


def _cudnn() -> str | None:
    import torch

    version = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    return None if version is None else str(version)


def gpu_facts() -> GpuFacts:
    """The facts of PyTorch's current GPU, which NVML knows by its UUID."""
    import torch

    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    uuid = f"GPU-{properties.uuid}"
    gpu = Gpu.find(uuid)
    name = None if gpu is None else gpu.name()
    driver = None if gpu is None else driver_version()
    return GpuFacts(name=name or properties.name, uuid=uuid, memory_bytes=properties.total_memory, driver=driver)


@cache
def cpu_name() -> str:
    """The processor's model, as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


@cache
def _commit() -> str | None:
    """The checkout's commit; None outside a checkout, as in an installed wheel."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", f"--dirty={DIRTY}", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def package_version(name: str) -> str | None:
    """The version of an optional package; None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
