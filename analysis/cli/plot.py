"""`python -m analysis plot`: one figure of the report."""

from argparse import Namespace

from analysis.cli.analysing import study_of
from analysis.cli.loading import load_records
from analysis.report.write import tasks_of
from crossover.errors import UserError
from crossover.terminal import make_console, say

PICTURES = (".svg", ".png", ".pdf", ".jpg", ".jpeg", ".bmp", ".eps")


def plot(options: Namespace) -> None:
    """Write the figure as SVG and PNG, once a metric where it is of a metric.

    Raises:
        UserError: when the records have nothing that the figure shows, or a file is named instead of a folder.
    """
    if options.output.suffix.lower() in PICTURES:
        raise UserError(
            f"--output {options.output} is the name of a picture: give a folder, which gets {options.name}.svg and .png"
        )
    study = study_of(load_records(options.source, options.tracking_uri), options)
    drawings = [drawing for draw, data in tasks_of(study, {options.name}) if (drawing := draw(data)) is not None]
    if not drawings:
        raise UserError(f"{options.name}: nothing to draw, since no run here has what it shows")
    options.output.mkdir(parents=True, exist_ok=True)
    for drawing in drawings:
        drawing.save(options.output)
    files = [str(options.output / f"{each.name}.{kind}") for each in drawings for kind in ("svg", "png")]
    say(make_console(), *files)
