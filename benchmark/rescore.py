"""Score stored texts again: `python -m benchmark.rescore OUTPUT_DIR judge=... encoder=...`."""

from collections.abc import Sequence
from pathlib import Path

from crossover.command_line import Parser
from crossover.interrupt import leaving_when_interrupted
from crossover.outlet import ending_when_unwritable, require_working_folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program, which takes seconds to import; its help does not wait for that."""
    parser = Parser(prog="python -m benchmark.rescore", description="Score stored texts again.")
    parser.add_argument("folder", type=Path, metavar="OUTPUT_DIR", help="output_dir of the benchmark")
    parser.add_argument(
        "scorers",
        nargs="+",
        metavar="GROUP=NAME",
        help="judge=..., encoder=... and tracking=..., as for python -m benchmark",
    )
    options = parser.parse_args(arguments)
    require_working_folder()
    with leaving_when_interrupted():
        from crossover.terminal import make_console

        with make_console().status("loading"):
            from benchmark.cli.rescore import run

    run(options.folder, options.scorers)


if __name__ == "__main__":
    with ending_when_unwritable():
        main()
