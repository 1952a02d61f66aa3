"""`python -m analysis compare`: two sweeps side by side."""

from argparse import Namespace

from analysis.cli.loading import load_records, name_left_out
from analysis.parity.compare import compare as comparisons_of
from analysis.parity.compare import unmatched
from analysis.report.compare_table import compare_table, tally
from analysis.report.terminal_table import show
from crossover.errors import UserError
from crossover.terminal import make_console, say


def compare(options: Namespace) -> None:
    """Print, for each run that two sweeps share, whether the second was faster, slower, or neither for certain.

    Raises:
        UserError: when they share none.
    """
    a, b = (load_records([name], options.tracking_uri).records for name in (options.a, options.b))
    allow = frozenset(options.allow)
    comparisons = comparisons_of(a, b, allow=allow)
    name_left_out(unmatched(a, b, allow=allow))
    if not comparisons:
        raise UserError(f"{options.a} and {options.b} share no measured run with equal controls: see --allow")
    console = make_console()
    console.print(show(compare_table(comparisons)))
    say(console, tally(comparisons))
