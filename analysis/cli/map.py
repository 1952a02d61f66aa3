"""`python -m analysis map`: where diffusion beats autoregression, over batch and length."""

from argparse import Namespace

from analysis.cli.destination import require_folder
from analysis.cli.reading.loading import load_records, with_progress
from analysis.parity.quality import METRICS
from analysis.report.map.table import break_even_table
from analysis.report.map.words import answers
from analysis.report.study import study
from analysis.report.terminal_table import show
from analysis.report.write import write_maps
from crossover.errors import UserError
from crossover.terminal import make_console, say

MARKED_BY = ("bits_per_byte", "accuracy")
"""Metrics by which the map marks where trained models stand."""


def draw_map(options: Namespace) -> None:
    """Print the table of break-even, and write its figures and the table as files.

    Raises:
        UserError: when no diffusion run has a baseline with equal controls.
    """
    require_folder(options.output)
    loaded = load_records(options.source, options.tracking_uri)
    metrics = [METRICS[name] for name in MARKED_BY]
    maps = study(loaded.records, metrics=metrics, allow=frozenset(options.allow), track=with_progress).maps
    rows = [row for each in maps for row in each.rows]
    if not rows:
        raise UserError(
            "nothing here gives a break-even: it needs an autoregressive and a diffusion run of equal controls, at one"
            " batch and length (weights=random will do); see --allow"
        )
    console = make_console()
    table = break_even_table(rows)
    say(console, table.title)
    console.print(show(table))
    written = write_maps(maps, options.output)
    sentences = [sentence for each in maps for sentence in answers(each.cells)]
    say(console, *sentences, f"Map      {written[0].parent}, {len(written)} figures and tables")
