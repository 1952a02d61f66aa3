"""The table of two sweeps beside each other."""

from collections import Counter
from collections.abc import Sequence

from analysis.parity.compare import Comparison, Verdict
from analysis.report.tables import Table
from analysis.report.words import interval


def compare_table(comparisons: Sequence[Comparison]) -> Table:
    """One row for each run that both sweeps measured."""
    return Table(
        name="compare",
        title="B against A",
        headings=("run", "A, s", "B, s", "B / A", "B is"),
        words=frozenset({"run", "B is"}),
        rows=tuple(
            (
                each.name,
                interval(each.a_latency_s),
                interval(each.b_latency_s),
                "" if each.ratio is None else interval(each.ratio),
                each.verdict.value,
            )
            for each in comparisons
        ),
        raw=(),
    )


def tally(comparisons: Sequence[Comparison]) -> str:
    """How many of each verdict."""
    counts = Counter(each.verdict for each in comparisons)
    said = ", ".join(f"{verdict.value} in {counts[verdict]}" for verdict in Verdict)
    return f"B is {said}. Intervals carry the noise within each sweep, not a machine that changed between the two."
