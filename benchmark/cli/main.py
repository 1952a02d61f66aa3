"""The command line: Hydra starts a sweep by one of our sweepers; one grid point alone is a sweep of one."""

import os
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from benchmark.cli.arguments import arranged
from benchmark.cli.completion import completion
from benchmark.cli.help import usage
from benchmark.cli.messages import complaint
from benchmark.config.folder import CONF
from benchmark.config.schema import register
from benchmark.hardware.slots import IN_VAIN
from benchmark.util.child_python import safe_variables
from crossover import __version__
from crossover.errors import UserError
from crossover.outlet import require_working_folder
from crossover.terminal import end_with, ending_in_one_line, make_console, say, write

COMPLETION = {"-sc", "--shell-completion"}
IN_THIS_PROCESS = {"inline", "basic"}
"""Launchers that do what a single run does."""

register()


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def single_run(composed: DictConfig) -> None:
    """Run one grid point by itself. Hydra calls this for a single run; our sweepers have their own way."""
    try:
        _run_here(composed)
    except (UserError, OmegaConfBaseException) as error:
        end_with(complaint(error) or str(error))  # here, because Hydra would print a line of its own first


def _run_here(composed: DictConfig) -> None:
    config = HydraConfig.get()
    if config.mode is RunMode.MULTIRUN:
        raise UserError(
            f"hydra/sweeper={config.runtime.choices['hydra/sweeper']} is not one of Crossover's: give"
            " hydra/sweeper=grid or parity"
        )
    launcher = config.runtime.choices["hydra/launcher"]
    if launcher not in IN_THIS_PROCESS:
        raise UserError(
            f"hydra/launcher={launcher} is for sweeps, and a single run takes place in this process: add -m,"
            " or choose the launcher by hardware=, as in hardware=isolated"
        )
    if composed.hardware.gpus is not None:
        raise UserError(IN_VAIN)
    from benchmark.dispatch.backends import inline
    from benchmark.sweep.run_grid import run_grid

    run_grid([()], compose=lambda _: composed, hand_out=lambda context, indices, _: inline(context, indices))


def main() -> None:
    """Run the program; what goes wrong becomes one line and an exit code."""
    with ending_in_one_line(complaint):
        if {"-h", "--help"} & set(sys.argv[1:]):
            say(make_console(), usage())
        elif "--version" in sys.argv[1:]:
            say(make_console(), f"crossover {__version__}")
        else:
            _measure()


def _measure() -> None:
    require_working_folder()
    os.environ |= safe_variables()  # for the processes that libraries start, such as compilers
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    sys.argv[1:] = arranged(sys.argv[1:])
    if COMPLETION & set(sys.argv[1:]):
        (asked,) = set(sys.argv[1:]) - COMPLETION
        if (answer := completion(asked, os.environ.get("COMP_LINE", ""))) is not None:
            write(answer)
            return
        sys.argv[1:] = ["--shell-completion", "query=fish"]  # for all shells: Hydra prints it a line a word
    single_run()
