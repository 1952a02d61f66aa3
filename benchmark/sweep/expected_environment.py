"""The facts of this machine that are known before a run, without loading PyTorch, to compare with earlier records."""

import platform
from importlib.metadata import version

from benchmark.config.settings import Settings
from benchmark.dispatch.ledger import ExpectedEnvironment
from benchmark.execution.threads import threads_of
from benchmark.hardware.environment import cpu_name
from benchmark.hardware.nvml import gpu_names
from crossover import __version__
from crossover.records.run import Run
from crossover.records.settings import Device


def expected_environment(run: Run, settings: Settings) -> ExpectedEnvironment:
    """The environment that `run` would have now; for a run on another machine only the software."""
    here = not settings.remote
    on_cpu = here and run.device is Device.cpu
    return ExpectedEnvironment(
        python=platform.python_version(),
        torch=version("torch"),
        transformers=version("transformers"),
        crossover=__version__,
        gpu=settings.gpu if settings.gpu or not here or run.device is Device.cpu else _gpu_name(),
        cpu=cpu_name() if on_cpu else None,
    )


def expected_threads(run: Run, settings: Settings) -> int | None:
    """The threads that `run` would be computed with on this machine's CPU; None for a run elsewhere."""
    return None if settings.remote or run.device is not Device.cpu else threads_of(run)


def _gpu_name() -> str | None:
    """The name of this machine's GPUs, when they have one name."""
    names = set(gpu_names())
    return names.pop() if len(names) == 1 else None
