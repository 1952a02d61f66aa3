"""Hand points of a sweep to the launcher that the configuration names.

Our own launchers take the sweep and the points' indices. Any other launcher of Hydra's, such as submitit's, takes
overrides: it composes them once more, in its job, and calls a task there. The task has the path of the batch that holds
its points, and `hydra.job.num` is its number in the batch.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from hydra.utils import get_class
from omegaconf import DictConfig

from hydra_plugins.crossover.launchers import LedgerLauncher, LocalGpusLauncher

if TYPE_CHECKING:
    from benchmark.config.settings import Settings
    from benchmark.dispatch.context import SweepContext
    from benchmark.hardware.slots import Slot
    from crossover.records.run import Run


SUBMITIT = "hydra_plugins.hydra_submitit_launcher."


def launch(
    hydra_context: HydraContext,
    config: DictConfig,
    context: "SweepContext",
    indices: Sequence[int],
    settings: "Settings",
) -> None:
    """Run points to their records, by the launcher in `config`.

    Raises:
        UserError: when points that are to have processes of their own would share one, or GPUs are named in vain.
        Exception: what the launcher raises; of a launcher that is not ours, also what a job raises.
    """
    kind = get_class(config.hydra.launcher._target_)
    _require_no_gpus(kind, settings)
    if not issubclass(kind, LedgerLauncher):
        _require_processes(config.hydra.launcher._target_, settings)
        _launch_stock(hydra_context, config, context, indices)
        return
    launcher = Plugins.instance().instantiate_launcher(hydra_context, _no_task, config)
    assert isinstance(launcher, LedgerLauncher)
    launcher.hand_out(context, indices, settings)


def slots(config: DictConfig, runs: Sequence["Run"], settings: "Settings") -> "Sequence[Slot] | None":
    """The slots that the launcher in `config` measures on; None where it has none. Nothing is written or started.

    Raises:
        UserError: as `launch` does, and when a GPU is not here.
    """
    kind = get_class(config.hydra.launcher._target_)
    _require_no_gpus(kind, settings)
    if not issubclass(kind, LedgerLauncher):
        _require_processes(config.hydra.launcher._target_, settings)
    if not issubclass(kind, LocalGpusLauncher):
        return None
    from benchmark.hardware.slots import local_slots, planned_slots
    from crossover.records.settings import Device

    on_gpu = any(run.device is Device.cuda for run in runs)
    return (
        planned_slots(settings.gpus, on_gpu=on_gpu) if settings.dry_run else local_slots(settings.gpus, on_gpu=on_gpu)
    )


def _require_no_gpus(kind: type, settings: "Settings") -> None:
    """One launcher alone chooses among GPUs."""
    from benchmark.hardware.slots import IN_VAIN
    from crossover.errors import UserError

    if settings.gpus is not None and not issubclass(kind, LocalGpusLauncher):
        raise UserError(IN_VAIN)


def _require_processes(launcher: str, settings: "Settings") -> None:
    """Each replicate is a process, and of other launchers only submitit's are known to start one for each."""
    from crossover.errors import UserError

    if settings.replicates > 1 and not launcher.startswith(SUBMITIT):
        raise UserError(
            f"replicates={settings.replicates} needs a process for each, and {launcher} may run several in one:"
            " give hydra/launcher=isolated or crossover_slurm"
        )


def _launch_stock(
    hydra_context: HydraContext, config: DictConfig, context: "SweepContext", indices: Sequence[int]
) -> None:
    from benchmark.dispatch.batches import add_tasks

    file = add_tasks(context.sweep, [[index] for index in indices], slurm=False)
    first = indices[0]  # Hydra numbers the jobs' folders by it
    launcher = Plugins.instance().instantiate_launcher(hydra_context, partial(run_job, file, first), config)
    overrides = [list(context.sweep.entries[index].overrides) for index in indices]
    for job in launcher.launch(overrides, initial_job_idx=first):
        _ = job.return_value  # which raises what the job raised


def run_job(file: Path, first: int, composed: DictConfig) -> None:
    """Run the points of this job of a stock launcher, whose jobs are numbered from `first` on."""
    del composed  # the ledger says what the point is
    from benchmark.dispatch.batches import read_batch
    from benchmark.dispatch.job import run_task, sweep_of

    run_task(sweep_of(file), read_batch(file), HydraConfig.get().job.num - first)


def _no_task(_: DictConfig) -> None:
    """Do nothing: our launchers never call the task that Hydra gives them."""
