"""A sweeper that plans and checks the points of a grid before any of them is dispatched."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from benchmark.config.settings import Settings
    from benchmark.dispatch.context import SweepContext
    from benchmark.hardware.slots import Slot
    from benchmark.sweep.driver import HandOut, SlotsOf
    from crossover.records.run import Run


@dataclass
class GridSweeperConf:
    """`hydra.sweeper`: the grid of a preset; the command line adds to it and overrides it."""

    _target_: str = "hydra_plugins.crossover.grid_sweeper.GridSweeper"
    params: dict[str, str] | None = field(default_factory=dict)


class GridSweeper(Sweeper):
    """Runs each distinct, feasible grid point once and ends with the table of all."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        self._params = params or {}
        self._context: HydraContext | None = None
        self._config: DictConfig | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's way to say what is swept. The points choose the launcher, which has a task of ours to run."""
        del task_function
        self._context, self._config = hydra_context, config

    def sweep(self, arguments: list[str]) -> None:
        """Run the grid that the arguments span.

        Raises:
            UserError: when its points have different launchers.
        """
        from hydra_plugins.crossover.choosing import OneLauncher
        from hydra_plugins.crossover.composing import Composer
        from hydra_plugins.crossover.launching import launch, slots

        hydra_context, config = self._context, self._config
        assert hydra_context is not None
        assert config is not None
        chosen = OneLauncher()

        def hand_out(context: "SweepContext", indices: Sequence[int], settings: "Settings") -> None:
            launch(hydra_context, chosen.configured(config), context, indices, settings)

        def slots_of(runs: "Sequence[Run]", settings: "Settings") -> "Sequence[Slot] | None":
            return slots(chosen.configured(config), runs, settings)

        parser = OverridesParser.create(config_loader=hydra_context.config_loader)
        preset = [f"{key}={value}" for key, value in self._params.items()]
        grid = spanned_by(parser.parse_overrides([*preset, *arguments]))
        self.run_grid(grid, Composer(hydra_context.config_loader, config, chosen.see), hand_out, slots_of)

    def run_grid(
        self,
        grid: list[list[str]],
        compose: Callable[[Sequence[str]], DictConfig],
        hand_out: "HandOut",
        slots_of: "SlotsOf",
    ) -> None:
        """Plan the grid, launch it, and show its outcome."""
        from benchmark.sweep.run_grid import run_grid

        run_grid(grid, compose=compose, hand_out=hand_out, slots_of=slots_of)


def spanned_by(overrides: Sequence[Override]) -> list[list[str]]:
    """The overrides of each point of a grid. Of two for one key the later counts; the last key varies fastest."""
    by_key = {override.get_key_element(): _values(override) for override in overrides}
    return [list(point) for point in itertools.product(*by_key.values())]


def _values(override: Override) -> list[str]:
    """An override for each value that one of the command line gives.

    Raises:
        HydraException: when it gives an interval, which has no end of values, or none at all.
    """
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    if not override.is_discrete_sweep():
        raise HydraException(f"{override.input_line} is no list of values: a grid needs KEY=A,B or KEY=range(A,B)")
    values = [f"{key}={value}" for value in override.sweep_string_iterator()]
    if not values:
        raise HydraException(f"{override.input_line} gives no value at all: a grid needs KEY=A,B or KEY=range(A,B)")
    return values


ConfigStore.instance().store(group="hydra/sweeper", name="grid", node=GridSweeperConf, provider="crossover")
