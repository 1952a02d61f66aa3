"""`python -m analysis texts`: what runs wrote after the same prompts, side by side."""

import difflib
import re
from argparse import Namespace
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from analysis.cli.reading.loading import load_records
from analysis.cli.selection import selected
from analysis.parity.identity import told_apart
from analysis.report.line_table import as_cell
from crossover.errors import UserError
from crossover.records.load import latest
from crossover.records.record import Record
from crossover.records.texts import Generated
from crossover.terminal import make_console, say

ABREAST = 3
"""Runs that are shown beside the document's true continuation."""
WORD = re.compile(r"\s+|\S+")


def texts(options: Namespace) -> None:
    """Show the texts of the first runs, a table for each prompt.

    Raises:
        UserError: when no run wrote a text, or a difference is asked of another number of runs than two,
            or fewer prompts than one are asked for.
    """
    if options.prompts < 1:
        raise UserError(f"--prompts {options.prompts} is not allowed: give a number of at least 1")
    loaded = load_records(options.source, options.tracking_uri, keep_texts=True)
    runs = [each for each in selected(latest(loaded.records), options.where) if each.measurement is not None]
    runs = told_apart([each for each in runs if each.measurement and each.measurement.generated])
    if not runs:
        raise UserError("no run here has texts: random weights write none, and a failed run has none")
    if options.diff and len(runs) != 2:  # noqa: PLR2004 - a difference is between two
        raise UserError(f"--diff compares two runs, and here are {len(runs)}: choose them by --where")
    console = make_console()
    if len(runs) > ABREAST:
        say(console, f"the first {ABREAST} of {len(runs)} runs; --where chooses others")
    shown = runs[: len(runs) if options.diff else ABREAST]
    for prompt in _prompts(shown)[: options.prompts]:
        _show(console, prompt, shown, differ=options.diff)


def differences(before: str, after: str) -> str:
    """The second text, with words that only the first has in [-...-] and words that only the second has in {+...+}."""
    old, new = WORD.findall(before), WORD.findall(after)
    parts = []
    for kind, first, last, start, end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[first:last]), "".join(new[start:end])
        if kind == "equal":
            parts.append(come)
        else:
            parts.append((f"[-{gone}-]" if gone else "") + (f"{{+{come}+}}" if come else ""))
    return "".join(parts)


def _prompts(runs: Sequence[Record]) -> list[str]:
    """The prompts of the first run that all others have too."""
    names = [[text.prompt_id for text in _texts(run)] for run in runs]
    common = set(names[0]).intersection(*names[1:])
    if not common:
        raise UserError("these runs have no prompt in common: choose others by --where")
    return [name for name in names[0] if name in common]


def _texts(run: Record) -> tuple[Generated, ...]:
    assert run.measurement is not None
    return run.measurement.generated


def _show(console: Console, prompt: str, runs: Sequence[Record], *, differ: bool) -> None:
    written = [next(text for text in _texts(run) if text.prompt_id == prompt) for run in runs]
    say(console, "", f"{prompt}: ... {written[0].prompt[-console.width :]}".replace("\n", " "))
    if differ:
        first, second = written
        say(console, f"[-{runs[0].name}-] {{+{runs[1].name}+}}", differences(first.continuation, second.continuation))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("true continuation", *(run.name for run in runs)):
        table.add_column(as_cell(heading), overflow="fold", ratio=1)
    table.add_row(*(as_cell(text) for text in (written[0].reference, *(text.continuation for text in written))))
    console.print(table)
