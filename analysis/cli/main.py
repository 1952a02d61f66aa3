"""`python -m analysis`: tables, parity, comparison and the report, from records on disk or in MLflow."""

import argparse
import difflib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from analysis.cli.source import STORE
from crossover.errors import UserError
from crossover.interrupt import leaving_when_interrupted
from crossover.terminal import ending_in_one_line

COMMANDS = ("table", "parity", "compare", "report")


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line asks; one line and status 2 when it cannot be done."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with ending_in_one_line(_complaint):
        if not given or given[0] not in {*COMMANDS, "-h", "--help"}:
            _refuse_misspelled(given)
            given.insert(0, "table")
        options = _parser().parse_args(given)
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


def _command(name: str) -> Callable[[argparse.Namespace], None]:
    """What does it. Only the one that was asked for is imported: figures and statistics take a second to load."""
    match name:
        case "parity":
            from analysis.cli.parity import parity

            return parity
        case "compare":
            from analysis.cli.compare import compare

            return compare
        case "report":
            from analysis.cli.report import report

            return report
        case _:
            from analysis.cli.table import table

            return table


def _complaint(error: Exception) -> str | None:
    """The line for an error that the user can mend, in the words of this command line; None for one of our own."""
    if isinstance(error, OSError):  # a full disk has no name
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    if not isinstance(error, UserError):
        return None
    return " ".join(str(error).replace("allow=", "--allow ").replace("margin=", "--margin ").split())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m analysis",
        description="What has been measured, and what follows from it. Without a command: table.",
    )
    adder = parser.add_subparsers(metavar="COMMAND", dest="command", required=True)
    source, quality, allow, store = _source(), _quality(), _allow(), _store()

    def add(name: str, words: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return adder.add_parser(name, help=words, description=f"Print {words}.", parents=[*parents, store])

    shown = add("table", "the newest record of each run, one row each", source)
    shown.add_argument("--svg", type=Path, metavar="FILE", help="also draw the table as a picture")
    add("parity", "steps to parity and the speed-up there, at each B and N", source, quality, allow)
    compared = add("compare", "what changed from sweep A to B: time, memory and quality of each run", allow)
    compared.add_argument(
        "--fail-on",
        action="append",
        default=[],
        choices=("slower", "larger", "worse"),
        help="end with status 1 where any run of B is so; repeatable",
    )
    compared.add_argument(
        "--margin",
        type=float,
        metavar="PERCENT",
        help="by which one process may differ from another, for runs of one process [1 on a GPU, 10 on a CPU]",
    )
    compared.add_argument("a", metavar="A", help="as SOURCE of the other commands")
    compared.add_argument("b", metavar="B", help="the same")
    written = add("report", "one page of HTML, figures and tables", source, quality, allow)
    written.description = "Write one page of HTML, and its figures and tables as files beside it."
    written.add_argument(
        "--output", type=Path, default=Path("report"), metavar="DIR", help="where to write it [report]"
    )
    return parser


def _source() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "source",
        nargs="*",
        default=["outputs"],
        metavar="SOURCE",
        help="output_dir, folder of records, record file or mlflow:EXPERIMENT; several are read together [outputs]",
    )
    return options


def _quality() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--metric",
        action="append",
        default=[],
        help="bits_per_byte, perplexity, sampler_bits_per_byte or bertscore_f1; repeatable [all that were scored]",
    )
    options.add_argument(
        "--margin", type=float, default=0.0, help="by how much diffusion may fall short, in the metric's unit [0]"
    )
    return options


def _allow() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="CONTROL",
        help="a control that may vary, e.g. torch; repeatable",
    )
    return options


def _store() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--tracking-uri", default=STORE, metavar="URI", help=f"MLflow's store or server, for mlflow: [{STORE}]"
    )
    return options
