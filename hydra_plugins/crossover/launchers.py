"""Launchers that hand out points of a sweep's ledger, and read back from the journal what became of them.

They take of the overrides that a sweeper gives them the sweep and the points' indices in it alone: what a
point is stands in the ledger, so nothing is composed, pickled or guessed twice.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from rich.console import Console

    from benchmark.config.settings import Settings
    from benchmark.dispatch.ledger import Sweep
    from crossover.records.record import Record


class LedgerLauncher(Launcher):
    """What our launchers share: from overrides to indices in the ledger, from records to what Hydra is told."""

    def __init__(self, **parameters: object) -> None:
        self._parameters = {
            name: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for name, value in parameters.items()
        }
        self._config: DictConfig | None = None
        self._context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's way to say what is launched; the task function stays in this process."""
        del task_function
        self._context, self._config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Hand out points and wait for them. No failure of a point is raised: each is the return of its own job."""
        del initial_job_idx  # a point is known by its index in the ledger
        from benchmark.config.convert import to_config, to_settings
        from benchmark.dispatch.ledger import read_sweep
        from crossover.terminal import make_console

        assert self._context is not None
        assert self._config is not None
        composed = self._context.config_loader.load_sweep_config(self._config, list(job_overrides[0]))
        settings = to_settings(to_config(composed))
        sweep = read_sweep(settings.output_dir, settings.sweep)
        indices = [index_of(overrides) for overrides in job_overrides]
        self.hand_out(sweep, indices, settings, make_console())
        return _returns(sweep, job_overrides)

    @abstractmethod
    def hand_out(self, sweep: "Sweep", indices: Sequence[int], settings: "Settings", console: "Console") -> None:
        """Run points, each to its record."""


class InlineLauncher(LedgerLauncher):
    """In this process, one after another."""

    def hand_out(self, sweep: "Sweep", indices: Sequence[int], settings: "Settings", console: "Console") -> None:
        """Run points, each to its record."""
        del settings
        from benchmark.dispatch.backends import inline

        inline(sweep, indices, console)


class IsolatedLauncher(LedgerLauncher):
    """In processes of their own on this machine, one after another."""

    def hand_out(self, sweep: "Sweep", indices: Sequence[int], settings: "Settings", console: "Console") -> None:
        """Run points, each to its record."""
        from benchmark.dispatch.backends import isolated

        isolated(sweep, indices, console, pack=settings.pack)


class SlurmLauncher(LedgerLauncher):
    """As an array of SLURM jobs."""

    def hand_out(self, sweep: "Sweep", indices: Sequence[int], settings: "Settings", console: "Console") -> None:
        """Submit points; wait for their records unless the sweep is detached.

        Raises:
            UserError: when the points are meant for this machine.
        """
        from benchmark.dispatch.backends import SlurmArray
        from benchmark.store.open import mirroring
        from crossover.errors import UserError

        if not settings.remote:  # they were checked, and will be looked for, as this machine's
            raise UserError(
                "hydra/launcher=crossover_slurm sends jobs to other machines, and hardware.remote is false: choose"
                " hardware=a100 or slurm_cpu instead, which name the launcher, or give hardware.remote=true"
            )
        array = SlurmArray(sweep, console, each=mirroring(settings))
        parameters = {name: value for name, value in self._parameters.items() if name not in NOT_SUBMITTED}
        array.submit(indices, parameters, pack=settings.pack)
        if not settings.detach:
            array.wait(indices)


NOT_SUBMITTED = frozenset({"submitit_folder", "max_num_timeout", "stderr_to_stdout", "tasks_per_node", "nodes"})
"""Of the stock launcher's settings, those that have one value here."""


@dataclass
class InlineConf:
    """`hydra.launcher` of this process."""

    _target_: str = "hydra_plugins.crossover.launchers.InlineLauncher"


@dataclass
class IsolatedConf:
    """`hydra.launcher` of processes on this machine."""

    _target_: str = "hydra_plugins.crossover.launchers.IsolatedLauncher"


@dataclass
class SlurmConf(SlurmQueueConf):  # type: ignore[misc]  # the stock launcher is not typed
    """`hydra.launcher` of a SLURM cluster: the stock launcher's settings."""

    _target_: str = "hydra_plugins.crossover.launchers.SlurmLauncher"


def index_of(overrides: Sequence[str]) -> int:
    """A point's index in the ledger, which the sweeper put among its overrides."""
    return next(int(each.removeprefix("sweep.index=")) for each in overrides if each.startswith("sweep.index="))


def _returns(sweep: "Sweep", jobs: Sequence[Sequence[str]]) -> list[JobReturn]:
    """What became of each job; a point that has no record of this sweep was somebody else's."""
    from pathlib import Path

    from benchmark.store.journal import Journal

    keys = [sweep.entries[index_of(overrides)].key for overrides in jobs]
    records = Journal(output_dir=Path(sweep.output_dir)).of(set(keys)).records
    found = {record.key: record for record in records if record.sweep == sweep.id}
    return [_return(found.get(key), overrides) for key, overrides in zip(keys, jobs, strict=True)]


def _return(record: "Record | None", overrides: Sequence[str]) -> JobReturn:
    result = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    if record is not None and record.failure is not None:
        result.status = JobStatus.FAILED
        result.return_value = RuntimeError(record.failure.message)
    return result


for name, node in {"inline": InlineConf, "isolated": IsolatedConf, "crossover_slurm": SlurmConf}.items():
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="crossover")
