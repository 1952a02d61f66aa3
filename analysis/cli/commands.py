"""What each command of `python -m analysis` does: read, analyse, print or write."""

import gc
from argparse import Namespace
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from rich.progress import track as bar

from analysis.cli.source import sources
from analysis.report.terminal_table import failures, show
from analysis.report.terminal_table import table as table_of
from crossover.errors import UserError
from crossover.records.load import Loaded, latest, read
from crossover.terminal import make_console, say

if TYPE_CHECKING:
    from analysis.report.study import Study

T = TypeVar("T")
MOST_NAMED = 20
"""Runs left out that are named on the terminal; the report names more."""


def table(options: Namespace) -> None:
    """Print the newest record of each run."""
    records = latest(_load([*options.source], options).records)
    console = make_console(record=options.svg is not None)
    console.print(table_of(records))
    say(console, *failures(records))
    if options.svg is not None:
        console.save_svg(str(options.svg), title="python -m analysis")


def parity(options: Namespace) -> None:
    """Print the parity table, what to know of each row, and what was left out."""
    from analysis.parity.quality import METRICS
    from analysis.report.parity_table import parity_table
    from analysis.report.tables import REMARKS
    from analysis.report.words import basis, place, remarks

    found = _study(_load(options.source, options), options)
    every = [panel for panels in found.panels.values() for panel in panels]
    console = make_console()
    if every:
        rows = parity_table([(each.parity, each.setting) for each in every])
        say(console, rows.title)
        console.print(show(rows, without=(REMARKS,)))
    several = len(found.panels) > 1
    for each in every:
        names = (place(each.parity), *([METRICS[each.parity.metric].label] if several else []), each.setting)
        where = ", ".join(name for name in names if name)
        say(console, *(f"{where}: {remark}" for remark in remarks(each.parity)))
    if every:
        say(console, basis([each.parity for each in every]))
    _name_left_out(found.left_out)
    if not every:
        raise UserError("nothing can be compared: a diffusion and an autoregressive run with equal controls are needed")


def compare(options: Namespace) -> None:
    """Print, for each run that two sweeps share, whether the second was faster, slower, or neither for certain."""
    from analysis.parity.compare import compare as compared
    from analysis.parity.compare import unmatched
    from analysis.report.compare_table import compare_table, tally

    a, b = (_load([name], options).records for name in (options.a, options.b))
    allow = frozenset(options.allow)
    found, alone = compared(a, b, allow=allow), unmatched(a, b, allow=allow)
    _name_left_out(alone)
    if not found:
        raise UserError(f"{options.a} and {options.b} share no measured run with equal controls: see --allow")
    console = make_console()
    console.print(show(compare_table(found)))
    say(console, tally(found))


def report(options: Namespace) -> None:
    """Write the report, and say where."""
    from analysis.report.words import answer
    from analysis.report.write import write_report

    loaded = _load(options.source, options)
    found = _study(loaded, options)
    written = write_report(found, loaded.rejected, options.output, track=_track)
    console = make_console()
    every = [panel for panels in found.panels.values() for panel in panels]
    say(console, *(answer(panel.parity) for panel in every[:MOST_NAMED]))
    say(console, f"Report   {written.page}, with {len(written.files)} figures and tables beside it")


def _load(names: Sequence[str], options: Namespace) -> Loaded:
    """The records, without their texts; what is none is named on the way.

    Raises:
        UserError: when there is none at all.
    """
    loaded = read(_track(sources(names, options.tracking_uri), "reading"), keep_texts=False)
    gc.freeze()  # they stay to the end: no collection need look at millions of values again
    _name_left_out(loaded.rejected)
    if not loaded.records:
        raise UserError(f"{', '.join(names)}: no file there is a record of this version")
    return loaded


def _study(loaded: Loaded, options: Namespace) -> "Study":
    """The analysis by the metrics that were asked for, or by all.

    Raises:
        UserError: when there is no such metric, or the records do not have it.
    """
    from analysis.parity.quality import METRICS
    from analysis.report.study import study

    unknown = [name for name in options.metric if name not in METRICS]
    if unknown:
        raise UserError(f"--metric {unknown[0]} is unknown: give one of {', '.join(METRICS)}")
    chosen = [metric for name, metric in METRICS.items() if not options.metric or name in options.metric]
    found = study(loaded.records, metrics=chosen, margin=options.margin, allow=frozenset(options.allow), track=_track)
    missing = [name for name in options.metric if name not in found.panels]
    if missing:
        raise UserError(f"--metric {missing[0]}: no comparable runs were scored by it")
    return found


def _name_left_out(lines: Sequence[str]) -> None:
    shown = [f"left out: {line}" for line in lines[:MOST_NAMED]]
    more = [f"left out: {len(lines) - MOST_NAMED:,} more"] if len(lines) > MOST_NAMED else []
    say(make_console(stderr=True), *shown, *more)


def _track(items: Sequence[T], what: str) -> Iterable[T]:
    """Show how far a loop is, on a terminal alone."""
    console = make_console(stderr=True)
    return bar(items, what, console=console, transient=True, disable=not console.is_terminal)
