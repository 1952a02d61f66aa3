"""Launchers that hand out points of a sweep's ledger.

Our sweepers give them the sweep and the points' indices. The ledger holds the points, so nothing is composed or pickled
for a job.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from benchmark.config.settings import Settings
    from benchmark.dispatch.context import SweepContext


class LedgerLauncher(Launcher):
    """The base of our launchers: they take points of a ledger from our sweepers, and no overrides from others."""

    def __init__(self, **parameters: object) -> None:
        self._parameters = {
            name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for name, value in parameters.items()
        }

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's way to say what is launched: nothing of it is needed here."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Refuse overrides: only another sweeper gives them.

        Raises:
            UserError: always.
        """
        from crossover.errors import UserError

        del job_overrides, initial_job_idx
        raise UserError("hydra/sweeper= names a sweeper that is not Crossover's: give hydra/sweeper=grid or parity")

    @abstractmethod
    def hand_out(self, context: "SweepContext", indices: Sequence[int], settings: "Settings") -> None:
        """Run points, each to its record, and wait for them. A failure of a point is in its record, never raised."""


class InlineLauncher(LedgerLauncher):
    """Runs points in this process, one after another; several replicates of each in processes of their own."""

    def hand_out(self, context: "SweepContext", indices: Sequence[int], settings: "Settings") -> None:
        """Run points, each to its record."""
        from benchmark.dispatch.backends import inline, isolated

        if settings.replicates > 1:
            isolated(context, indices, pack=settings.pack)
        else:
            inline(context, indices)


class IsolatedLauncher(LedgerLauncher):
    """Runs points in processes of their own on this machine, one after another."""

    def hand_out(self, context: "SweepContext", indices: Sequence[int], settings: "Settings") -> None:
        """Run points, each to its record."""
        from benchmark.dispatch.backends import isolated

        isolated(context, indices, pack=settings.pack)


class LocalGpusLauncher(LedgerLauncher):
    """Runs points on the GPUs of this machine, one process on each."""

    def hand_out(self, context: "SweepContext", indices: Sequence[int], settings: "Settings") -> None:
        """Run points, each to its record.

        Raises:
            UserError: when a GPU is not here.
        """
        from benchmark.dispatch.local_gpus import LocalGpus
        from benchmark.hardware.slots import local_slots
        from crossover.records.settings import Device

        on_gpu = any(context.sweep.entries[index].run.device is Device.cuda for index in indices)
        LocalGpus(context, indices, local_slots(settings.gpus, on_gpu=on_gpu)).run()


class SlurmLauncher(LedgerLauncher):
    """Runs points as an array of SLURM jobs."""

    def hand_out(self, context: "SweepContext", indices: Sequence[int], settings: "Settings") -> None:
        """Submit points; wait for their records unless the sweep is detached.

        Raises:
            UserError: when the points are meant for this machine.
        """
        from benchmark.dispatch.slurm_array import SlurmArray
        from benchmark.store.open import log_meanwhile
        from crossover.errors import UserError

        if not settings.remote:  # they were checked, and will be looked for, as this machine's
            raise UserError(
                "hydra/launcher=crossover_slurm sends jobs to other machines, and hardware.remote is false: choose"
                " hardware=a100 or slurm_cpu instead, which name the launcher, or give hardware.remote=true"
            )
        array = SlurmArray(context, after_look=log_meanwhile(settings))
        parameters = {name: value for name, value in self._parameters.items() if name not in NOT_SUBMITTED}
        array.submit(indices, parameters, pack=settings.pack)
        if settings.detach:
            array.leave()
        else:
            array.wait(indices)


NOT_SUBMITTED = frozenset({"submitit_folder", "max_num_timeout", "stderr_to_stdout", "tasks_per_node", "nodes"})
"""The settings of the stock launcher that have one value here."""


@dataclass
class InlineConf:
    """`hydra.launcher` of this process."""

    _target_: str = "hydra_plugins.crossover.launchers.InlineLauncher"


@dataclass
class IsolatedConf:
    """`hydra.launcher` of processes on this machine."""

    _target_: str = "hydra_plugins.crossover.launchers.IsolatedLauncher"


@dataclass
class LocalGpusConf:
    """`hydra.launcher` of the GPUs of this machine."""

    _target_: str = "hydra_plugins.crossover.launchers.LocalGpusLauncher"


@dataclass
class SlurmConf(SlurmQueueConf):  # type: ignore[misc]  # the stock launcher is not typed
    """`hydra.launcher` of a SLURM cluster: the stock launcher's settings."""

    _target_: str = "hydra_plugins.crossover.launchers.SlurmLauncher"


NODES = {
    "inline": InlineConf,
    "isolated": IsolatedConf,
    "local_gpus": LocalGpusConf,
    "crossover_slurm": SlurmConf,
}
for name, node in NODES.items():
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="crossover")
