"""The options of `python -m analysis`."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.cli.reading.source import STORE
from crossover import __version__
from crossover.command_line import RaisingParser

COMMANDS = ("table", "texts", "parity", "map", "compare", "plot", "report")
DEFAULT = "outputs"
"""The folder that is read where none is named."""
FORMATS = ("text", "csv", "json", "md")
FIGURES = (
    *("entropy", "quality", "pareto", "parallelism", "map", "joules", "limit"),
    *("bound", "scaling", "memory", "timeline", "staleness", "profile"),
)
"""Figures of the report; with several metrics, the first four are one file each."""


def parsed(words: Sequence[str]) -> argparse.Namespace:
    """The options that the words of a command line set.

    Raises:
        UserError: when an option is not one of its command, or lacks its value.
    """
    parser = make_parser()
    options, unknown = parser.parse_known_args(list(words))
    if unknown:
        parser.commands[options.command].error(f"unrecognized arguments: {' '.join(unknown)}")
    return options


class _CommandsParser(RaisingParser):
    """A parser that knows those of its commands, which know what their options are called."""

    commands: Mapping[str, RaisingParser]


def make_parser() -> _CommandsParser:
    """The options of all commands; each knows its own help."""
    parser = _CommandsParser(
        prog="python -m analysis",
        description="What has been measured, and what follows from it. Without a command: table.",
    )
    parser.add_argument("--version", action="version", version=f"crossover {__version__}")
    adder = parser.add_subparsers(metavar="COMMAND", dest="command", required=True, parser_class=RaisingParser)
    parser.commands = adder.choices
    source, quality, allow, store, selection = _source(), _quality(), _allow(), _store(), _selection()

    def add(name: str, words: str, *parents: RaisingParser) -> RaisingParser:
        return adder.add_parser(name, help=words, description=f"Print {words}.", parents=[*parents, store])

    shown = add("table", "the newest record of each run, one row each", source, selection)
    shown.add_argument("--format", choices=FORMATS, default="text", help="how rows are written [text]")
    shown.add_argument("--sort", metavar="COLUMN", help="order rows by a column, as --where names them")
    shown.add_argument("--reverse", action="store_true", help="the largest first")
    shown.add_argument("--svg", type=Path, metavar="FILE", help="also draw the table as a picture")
    read = add("texts", "the texts that runs wrote, side by side", source, selection)
    read.add_argument("--prompts", type=int, default=1, metavar="COUNT", help="how many prompts to show [1]")
    read.add_argument("--diff", action="store_true", help="mark the words in which two runs differ")
    add("parity", "steps to parity and the speed-up there, at each B and N", source, quality, allow)
    charted = add("map", "break-even: the tokens per forward that diffusion needs to be faster", source, allow)
    charted.add_argument(
        "--output", type=Path, default=Path("map"), metavar="DIR", help="where to write figures and tables [map]"
    )
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
    drawn = add("plot", "one figure of the report", quality, allow)
    drawn.description = "Write one figure of the report as NAME.svg and NAME.png."
    drawn.add_argument("name", choices=FIGURES, metavar="NAME", help=", ".join(FIGURES))
    _add_source(drawn)
    drawn.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="where to write it [.]")
    return parser


def _selection() -> RaisingParser:
    options = RaisingParser(add_help=False)
    options.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="keep runs of which it holds, as 'steps>=32'; columns have their names in --format csv; repeatable",
    )
    return options


def _source() -> RaisingParser:
    options = RaisingParser(add_help=False)
    _add_source(options)
    return options


def _add_source(parser: RaisingParser) -> None:
    parser.add_argument(
        "source",
        nargs="*",
        default=[DEFAULT],
        metavar="SOURCE",
        help="output_dir, folder of records, record file or mlflow:EXPERIMENT; several are read together [outputs]",
    )


def _quality() -> RaisingParser:
    options = RaisingParser(add_help=False)
    options.add_argument(
        "--metric",
        action="append",
        default=[],
        help="bits_per_byte, perplexity, sampler_bits_per_byte, bertscore_f1 or accuracy; repeatable [all scored]",
    )
    options.add_argument(
        "--margin", type=float, default=0.0, help="by how much diffusion may fall short, in the metric's unit [0]"
    )
    return options


def _allow() -> RaisingParser:
    options = RaisingParser(add_help=False)
    options.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="CONTROL",
        help="a control that may vary, e.g. torch; repeatable",
    )
    return options


def _store() -> RaisingParser:
    options = RaisingParser(add_help=False)
    options.add_argument(
        "--tracking-uri", default=STORE, metavar="URI", help=f"MLflow's store or server, for mlflow: [{STORE}]"
    )
    return options
