"""`python -m analysis table`: the newest records of each run."""

from argparse import Namespace

from analysis.cli.loading import load_records
from analysis.report.terminal_table import failures, human_line, unclean
from analysis.report.terminal_table import table as as_table
from crossover.records.load import latest
from crossover.terminal import make_console, say


def table(options: Namespace) -> None:
    """Print a row for each run, and lines for those that were disturbed, not measured or not judged."""
    records = latest(load_records(options.source, options.tracking_uri).records)
    console = make_console(record=options.svg is not None)
    console.print(as_table(records))
    say(console, *human_line(records), *unclean(records), *failures(records))
    if options.svg is not None:
        console.save_svg(str(options.svg), title="python -m analysis")
