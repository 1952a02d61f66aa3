"""`python -m analysis plot`: one figure of the report."""

from argparse import Namespace

from analysis.cli.analysing import study_of
from analysis.cli.destination import require_folder
from analysis.cli.reading.loading import load_records
from analysis.report.write import drawings
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
    require_folder(options.output)
    study = study_of(load_records(options.source, options.tracking_uri), options)
    pictures = [drawing.save(options.output) for drawing in drawings(study, options.name)]
    say(make_console(), *(str(options.output / name) for each in pictures for name in each.files))
