"""`python -m analysis`: tables, parity, comparison and the report, from records on disk or in MLflow."""

import difflib
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.cli.parser import COMMANDS, DEFAULT, parsed
from crossover.errors import UserError
from crossover.interrupt import leaving_when_interrupted
from crossover.terminal import ending_in_one_line


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks; one line and status 2 when it cannot be done."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with ending_in_one_line(_complaint):
        if not given and not Path(DEFAULT).exists():
            raise UserError(
                f"there is no folder {DEFAULT} here: name one, python -m analysis [COMMAND] FOLDER;"
                f" the commands are {', '.join(COMMANDS)}, and --help explains them"
            )
        if not given or given[0] not in {*COMMANDS, "-h", "--help", "--version"}:
            _refuse_misspelled(given)
            given.insert(0, "table")
        options = parsed(given)
        with leaving_when_interrupted():
            command = _command(options.command)
        command(options)


def _refuse_misspelled(given: Sequence[str]) -> None:
    """Refuse a first word that is nearly a command, and no file or folder.

    Raises:
        UserError: naming the command.
    """
    if given and not Path(given[0]).exists() and (close := difflib.get_close_matches(given[0], COMMANDS, n=1)):
        raise UserError(
            f"there is no command {given[0]!r}, nor a folder of this name (did you mean {close[0]!r}?):"
            f" the commands are {', '.join(COMMANDS)}"
        )


def _command(name: str) -> Callable[[Namespace], None]:
    """What does it. Only the one that was asked for is imported: figures and statistics take a second to load."""
    match name:
        case "parity":
            from analysis.cli.parity import parity as command
        case "map":
            from analysis.cli.map import draw_map as command
        case "compare":
            from analysis.cli.compare import compare as command
        case "report":
            from analysis.cli.report import report as command
        case "texts":
            from analysis.cli.texts import texts as command
        case "plot":
            from analysis.cli.plot import plot as command
        case _:
            from analysis.cli.table import table as command
    return command


def _complaint(error: Exception) -> str | None:
    """The line for an error that the user can mend, in the words of this command line; None for one of our own."""
    if isinstance(error, OSError):
        full = f"{error.strerror or error}: make room, or give another folder"  # a full disk has no name
        return f"{error.filename}: {error.strerror}" if error.filename else full
    if not isinstance(error, UserError):
        return None
    return " ".join(str(error).replace("allow=", "--allow ").replace("margin=", "--margin ").split())
