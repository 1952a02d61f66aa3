"""A sweeper that bisects a ladder of steps for parity instead of running every rung."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig

from hydra_plugins.crossover.grid_sweeper import GridSweeper

if TYPE_CHECKING:
    from benchmark.sweep.driver import HandOut, SlotsOf


@dataclass
class ParitySweeperConf:
    """`hydra.sweeper` of a search: what parity means, and the grid that it searches."""

    _target_: str = "hydra_plugins.crossover.parity_sweeper.ParitySweeper"
    params: dict[str, str] | None = field(default_factory=dict)
    metric: str = "bits_per_byte"
    margin: float = 0.0


class ParitySweeper(GridSweeper):
    """Runs baselines, then of each ladder of steps only the rungs that bisection asks for."""

    def __init__(self, *, metric: str, margin: float, params: dict[str, str] | None = None) -> None:
        super().__init__(params)
        self.metric = metric
        self.margin = margin

    def run_grid(
        self,
        grid: list[list[str]],
        compose: Callable[[Sequence[str]], DictConfig],
        hand_out: "HandOut",
        slots_of: "SlotsOf",
    ) -> None:
        """Search the grid and say at which steps parity is reached."""
        from benchmark.sweep.parity_search import search_parity

        search_parity(
            grid, compose=compose, hand_out=hand_out, metric=self.metric, margin=self.margin, slots_of=slots_of
        )


ConfigStore.instance().store(group="hydra/sweeper", name="parity", node=ParitySweeperConf, provider="crossover")
