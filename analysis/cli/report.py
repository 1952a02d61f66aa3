"""`python -m analysis report`: one page, with its figures and tables as files beside it."""

from argparse import Namespace

from analysis.cli.analysing import study_of
from analysis.cli.destination import require_folder
from analysis.cli.reading.loading import MOST_NAMED, load_records, with_progress
from analysis.report.answers import answers, disagreements_of
from analysis.report.write import drawers, write_report
from crossover.terminal import make_console, say


def report(options: Namespace) -> None:
    """Write the report, and say what it answers and where it is."""
    require_folder(options.output)
    loaded = load_records(options.source, options.tracking_uri, for_tables=True)
    with drawers(len(loaded.records)) as pool:
        study = study_of(loaded, options)
        written = write_report(study, loaded.rejected, options.output, pool=pool, track=with_progress)
    said = [each.sentence for each in answers(study)[:MOST_NAMED]] + disagreements_of(study)[:MOST_NAMED]
    where = f"Report   {written.page}, with {len(written.files)} figures and tables beside it"
    say(make_console(), *said, where)
