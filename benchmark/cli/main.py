"""The command line: a sweep is conducted by a plugin of Hydra's; one grid point alone is a sweep of one."""

import os
import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from benchmark.cli.arguments import arranged
from benchmark.cli.help import usage
from benchmark.cli.messages import complaint
from benchmark.config.convert import to_config, to_settings
from benchmark.config.folder import CONF
from benchmark.config.schema import register
from benchmark.config.settings import Settings
from crossover.errors import UserError
from crossover.terminal import end_with, ending_in_one_line, make_console

IN_THIS_PROCESS = {"inline", "basic"}
"""Launchers that do what a single run does."""

register()


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def grid_point(composed: DictConfig) -> None:
    """Run one grid point: of a sweep whose launcher is one of Hydra's own, or by itself."""
    try:
        settings = to_settings(to_config(composed))
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            _of_sweep(settings)
        else:
            _alone(composed, settings)
    except (UserError, OmegaConfBaseException) as error:
        end_with(complaint(error) or str(error))  # here, because Hydra would print a line of its own first


def _of_sweep(settings: Settings) -> None:
    from benchmark.dispatch.claims import this_process
    from benchmark.dispatch.ledger import read_sweep
    from benchmark.dispatch.worker import Worker

    sweep = read_sweep(settings.output_dir, settings.sweep)
    Worker(sweep, this_process(sweep.id), make_console()).perform(settings.index)


def _alone(composed: DictConfig, settings: Settings) -> None:
    launcher = HydraConfig.get().runtime.choices["hydra/launcher"]
    if launcher not in IN_THIS_PROCESS:
        raise UserError(
            f"hydra/launcher={launcher} is for sweeps, and a single run takes place in this process: add -m,"
            " or choose the launcher by hardware=, as in hardware=isolated"
        )
    from benchmark.dispatch.backends import inline
    from benchmark.dispatch.ledger import read_sweep
    from benchmark.sweep.prepare import id_of, run_grid

    def launch(jobs: Sequence[Sequence[str]], index: int) -> Sequence[JobReturn]:
        inline(read_sweep(settings.output_dir, id_of(jobs[0])), [index], make_console())
        return []

    run_grid([()], compose=lambda _: composed, launch=launch)


def main() -> None:
    """Run the program; what goes wrong becomes one line and an exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        make_console().print(usage(), markup=False, highlight=False, soft_wrap=True)
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    with ending_in_one_line(complaint):
        sys.argv[1:] = arranged(sys.argv[1:])
        grid_point()
