"""`python -m analysis compare`: two sweeps side by side."""

import math
from argparse import Namespace

from analysis.cli.reading.loading import load_records, name_left_out
from analysis.parity.compare import compare as comparisons_of
from analysis.parity.compare import unmatched
from analysis.report.compare_table import compare_table, tally
from analysis.report.terminal_table import show
from crossover.errors import UserError
from crossover.terminal import make_console, say

FORBIDDEN = 1
"""Exit status where a run of B is what `--fail-on` names."""


def compare(options: Namespace) -> None:
    """Print what changed for certain in each run that two sweeps share.

    Raises:
        UserError: when they share none.
        SystemExit: with status 1 where a run is what `--fail-on` names.
    """
    a, b = (load_records([name], options.tracking_uri).records for name in (options.a, options.b))
    allow = frozenset(options.allow)
    compared = comparisons_of(a, b, allow=allow, margin=_share(options.margin))
    name_left_out(unmatched(a, b, allow=allow))
    if not compared.points:
        raise UserError(f"{options.a} and {options.b} share no measured run with equal controls: see --allow")
    console = make_console()
    console.print(show(compare_table(compared.points)))
    say(console, tally(compared))
    points = [(each.name, verdict) for each in compared.points for verdict in each.verdicts]
    forbidden = [(name, verdict) for name, verdict in points if verdict in options.fail_on]
    if forbidden:
        say(
            make_console(stderr=True),
            *(f"--fail-on {verdict}: B is {verdict} at {name}" for name, verdict in forbidden),
        )
        raise SystemExit(FORBIDDEN)


def _share(percent: float | None) -> float | None:
    """A margin in percent as a share.

    Raises:
        UserError: when it is none.
    """
    if percent is not None and not 0 <= percent < math.inf:
        raise UserError(f"margin={percent:g} is not allowed: give the percent by which processes may differ, 0 or more")
    return None if percent is None else percent / 100
