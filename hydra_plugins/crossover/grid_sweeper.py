"""Hydra's basic sweeper, with points planned and checked before any is dispatched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class GridSweeperConf:
    """`hydra.sweeper`: the grid of a preset; the command line adds to it and overrides it."""

    _target_: str = "hydra_plugins.crossover.grid_sweeper.GridSweeper"
    params: dict[str, str] | None = field(default_factory=dict)


class GridSweeper(BasicSweeper):
    """Runs each distinct, feasible grid point once and ends with the table of all."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size=None, params=params)

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's way to say what is swept. Its launcher is chosen later, by the points."""
        self.hydra_context, self.config, self._task_function = hydra_context, config, task_function

    def sweep(self, arguments: list[str]) -> None:
        """Conduct the grid that the arguments span.

        Raises:
            UserError: when its points have different launchers.
        """
        from hydra_plugins.crossover.choosing import OneLauncher
        from hydra_plugins.crossover.composing import Composer

        context, config = self.hydra_context, self.config
        assert context is not None
        assert config is not None
        chosen = OneLauncher()

        def launch(jobs: Sequence[Sequence[str]], index: int) -> Sequence[JobReturn]:
            launcher = Plugins.instance().instantiate_launcher(context, self._task_function, chosen.configured(config))
            return launcher.launch(jobs, initial_job_idx=index)

        compose = Composer(context.config_loader, config, chosen.see)
        self.run_grid(self.grid(arguments), compose=compose, launch=launch)

    def run_grid(
        self,
        grid: list[list[str]],
        compose: Callable[[Sequence[str]], DictConfig],
        launch: Callable[..., Any],
    ) -> None:
        """Plan the grid, launch it, and show what became of it."""
        from benchmark.sweep.prepare import run_grid

        run_grid(grid, compose=compose, launch=launch)

    def grid(self, arguments: list[str]) -> list[list[str]]:
        """The overrides of each grid point."""
        from hydra.core.override_parser.overrides_parser import OverridesParser

        assert self.hydra_context is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        return [point for batch in self.split_arguments(overrides, None) for point in batch]


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="crossover")
