"""How sure the answer is: what its intervals rest on, and whether the machines were left alone."""

from collections import Counter
from collections.abc import Sequence

from analysis.parity.break_even import BreakEven
from analysis.parity.parity import Parity
from analysis.report.points import Point
from analysis.report.words.numbers import listed
from crossover.records.machine import Verdict

WATCHED: dict[Verdict | None, str] = {
    Verdict.clean: "clean",
    Verdict.disturbed: "disturbed",
    Verdict.unknown: "of unknown state",
    None: "not watched",
}


def certainty(parities: Sequence[Parity], points: Sequence[Point], cells: Sequence[BreakEven]) -> tuple[str, ...]:
    """A sentence each on quality, on speed, on the map's cells, on the machines."""
    return (*_intervals(parities), *_cells(cells), *_machines(points))


def _intervals(parities: Sequence[Parity]) -> tuple[str, ...]:
    if not parities:
        return ()
    level = f"{parities[0].baseline.level:.0%}"
    processes = min(each.processes for each in parities)
    margin = listed(sorted({f"{each.verdict_margin:.0%}" for each in parities}))
    speed = (
        f"Each run was timed in one process, so a difference in speed of less than {margin} gets no verdict."
        if processes == 1
        else f"Each run was timed in at least {processes} processes."
    )
    prompts = min(each.prompts for each in parities)
    return (f"Brackets are {level} confidence intervals, of quality over {prompts} prompts. {speed}",)


def _cells(cells: Sequence[BreakEven]) -> tuple[str, ...]:
    """How many cells of the map have an interval, and how many rest on single passes."""
    if not cells:
        return ()
    known, composed = sum(each.has_interval for each in cells), sum(each.is_composed for each in cells)
    if known == len(cells) and not composed:
        return ("The table of break-even has an interval for every cell of the map.",)
    having = f"Cells of the map with an interval: {known} of {len(cells)}."
    rest = f" Composed from the times of single forward passes: {composed}." if composed else ""
    return (f"{having}{rest}",)


def _machines(points: Sequence[Point]) -> tuple[str, ...]:
    """How many measured processes ran on a clean machine, and how many did not."""
    measured = [record for point in points for record in point.replicates if record.measurement is not None]
    by_verdict = Counter(record.verdict for record in measured)
    if not measured:
        return ()
    if len(by_verdict) == 1:
        (verdict,) = by_verdict
        return (f"The machine was {WATCHED[verdict]} in all {len(measured):,} measured processes.",)
    told = [f"{WATCHED[verdict]} in {number:,}" for verdict, number in _ordered(by_verdict)]
    return (f"The machine was {listed(told)} of {len(measured):,} measured processes.",)


def _ordered(by_verdict: Counter[Verdict | None]) -> list[tuple[Verdict | None, int]]:
    return [(verdict, by_verdict[verdict]) for verdict in WATCHED if by_verdict[verdict]]
