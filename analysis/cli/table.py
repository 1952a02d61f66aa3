"""`python -m analysis table`: the newest records of each run."""

import json
from argparse import Namespace
from collections.abc import Sequence

from analysis.cli.destination import require_folder
from analysis.cli.reading.loading import load_summaries
from analysis.cli.selection import columns, ordered, selected
from analysis.report.notes import notes
from analysis.report.replicates import in_grid_order
from analysis.report.tables import Table, as_csv, as_markdown
from analysis.report.terminal_table import table as as_table
from crossover.records.load import latest
from crossover.records.record import Record
from crossover.terminal import make_console, say, write


def table(options: Namespace) -> None:
    """Print a row for each run, and lines for those that were disturbed, not measured or not judged."""
    if options.svg is not None:
        require_folder(options.svg.parent, "--svg")
    records = in_grid_order(latest(load_summaries(options.source, options.tracking_uri).records))
    records = ordered(selected(records, options.where), options.sort, largest_first=options.reverse)
    if options.format != "text":
        write(written(records, options.format))
        return
    console = make_console(record=options.svg is not None)
    as_table(records, width=console.width).show(console)
    say(console, *notes(records))
    if options.svg is not None:
        console.save_svg(str(options.svg), title="python -m analysis")


def written(records: Sequence[Record], how: str) -> str:
    """The rows for another program: csv or json with raw numbers and units in the names, or a table in Markdown."""
    raw = [columns(record) for record in records]
    if how == "json":
        return json.dumps(raw, indent=1, default=str) + "\n"
    names = tuple(dict.fromkeys(name for row in raw for name in row))
    rows = tuple(tuple("" if row.get(name) is None else str(row[name]) for name in names) for row in raw)
    table = Table(name="table", title="", headings=names, words=frozenset(), rows=rows, raw=tuple(raw))
    return as_csv(table) if how == "csv" else as_markdown(table)
