"""From loaded records to the study that `parity` prints and `report` writes, as their options ask for it."""

from argparse import Namespace

from analysis.cli.reading.loading import name_left_out, with_progress
from analysis.parity.quality import METRICS
from analysis.report.study import Study, study
from crossover.command_line import guess
from crossover.errors import UserError
from crossover.records.load import Loaded


def study_of(loaded: Loaded, options: Namespace) -> Study:
    """The analysis by the metrics that were asked for, or by all.

    Raises:
        UserError: when there is no such metric, or the records do not have it.
    """
    if unknown := [name for name in options.metric if name not in METRICS]:
        raise UserError(
            f"--metric {unknown[0]} is unknown{guess(unknown[0], METRICS)}: give one of {', '.join(METRICS)}"
        )
    chosen = [metric for name, metric in METRICS.items() if not options.metric or name in options.metric]
    allow = frozenset(options.allow)
    analysed = study(loaded.records, metrics=chosen, margin=options.margin, allow=allow, track=with_progress)
    if missing := [name for name in options.metric if name not in analysed.panels]:
        name_left_out(analysed.left_out)
        raise UserError(f"--metric {missing[0]}: no comparable runs were scored by it")
    return analysed
