"""`python -m analysis parity`: the steps to parity, and the speed-up there."""

from argparse import Namespace
from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console

from analysis.cli.analysing import study_of
from analysis.cli.reading.loading import load_records, name_left_out
from analysis.parity.parity import Parity
from analysis.parity.quality import METRICS
from analysis.report.answers import answers, disagreements_of, parities, parity_rows
from analysis.report.figures.panel import Panel
from analysis.report.front_table import front_table
from analysis.report.parity_table import SETTING, parity_table
from analysis.report.study import Study
from analysis.report.tables import REMARKS
from analysis.report.terminal_table import show
from analysis.report.words.basis import basis
from analysis.report.words.parity import batch_and_length, remarks
from crossover.errors import UserError
from crossover.terminal import make_console, say

Row = tuple[Parity, str]
"""A parity, with its setting in words."""


def parity(options: Namespace) -> None:
    """Print the parity table, what to know of each row, and what was left out.

    Raises:
        UserError: when nothing can be compared.
    """
    study = study_of(load_records(options.source, options.tracking_uri), options)
    if study.every_panel:
        _print_rows(make_console(), study)
    name_left_out(study.left_out)
    if not study.every_panel:
        raise UserError(_nothing(study))


def _nothing(study: Study) -> str:
    """Why there is no row."""
    if study.controls:
        return "nothing can be compared: runs have equal controls, and too few scores in common, as said above"
    return "nothing can be compared: a diffusion and an autoregressive run with equal controls are needed"


def _print_rows(console: Console, study: Study) -> None:
    if study.fronts:
        table = front_table([(each.fronts, each.setting) for each in study.fronts])
        say(console, table.title)
        console.print(show(table))
        for said in answers(study)[: len(study.fronts)]:
            say(console, said.sentence, *said.remarks)
        console.print()
    for rows in _groups(parity_rows(study)):
        table, (first, setting) = parity_table(rows), rows[0]
        told = setting not in {"", f"{first.diffusion} and {first.baseline_model}"}
        say(console, f"{table.title} ({setting})" if told else table.title)
        console.print(show(table, without=(REMARKS, SETTING)))
    for panel in (each for each in study.every_panel if not each.is_in_fronts):
        name = _name(panel, with_metric=len(study.panels) > 1)
        say(console, *(f"{name}: {remark}" for remark in remarks(panel.parity)))
    say(console, *disagreements_of(study))
    say(console, basis([parity for parity, _ in parities(study)] or [panel.parity for panel in study.every_panel]))


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each pair of models, metric and setting: what they share stands above them, not in columns."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for parity, setting in rows:
        groups[parity.diffusion, parity.baseline_model, parity.metric, setting].append((parity, setting))
    return list(groups.values())


def _name(panel: Panel, *, with_metric: bool) -> str:
    """Which row of the table this is, in words."""
    metric = METRICS[panel.parity.metric].label if with_metric else ""
    return ", ".join(part for part in (batch_and_length(panel.parity), metric, panel.setting) if part)
