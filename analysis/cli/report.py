"""`python -m analysis report`: one page, with its figures and tables as files beside it."""

from argparse import Namespace

from analysis.cli.analysing import study_of
from analysis.cli.loading import MOST_NAMED, load_records, with_progress
from analysis.report.words import answer, disagreements
from analysis.report.write import write_report
from crossover.terminal import make_console, say


def report(options: Namespace) -> None:
    """Write the report, and say what it answers and where it is."""
    loaded = load_records(options.source, options.tracking_uri)
    study = study_of(loaded, options)
    written = write_report(study, loaded.rejected, options.output, track=with_progress)
    panels = [panel for of_metric in study.panels.values() for panel in of_metric]
    answers = [answer(panel.parity) for panel in panels[:MOST_NAMED]]
    answers += disagreements([(panel.parity, panel.setting) for panel in panels])[:MOST_NAMED]
    where = f"Report   {written.page}, with {len(written.files)} figures and tables beside it"
    say(make_console(), *answers, where)
