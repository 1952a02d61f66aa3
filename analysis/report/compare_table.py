"""The table of two sweeps beside each other."""

from collections import Counter
from collections.abc import Sequence

from analysis.parity.compare import Change, ChangeVerdict, ComparedSweeps, Comparison
from analysis.report.tables import Table
from analysis.report.words.basis import FEW_SAMPLES
from analysis.report.words.disturbances import machine
from analysis.report.words.numbers import interval, listed, ratio_interval

KINDS = {
    ChangeVerdict.faster: "latency",
    ChangeVerdict.slower: "latency",
    ChangeVerdict.smaller: "memory",
    ChangeVerdict.larger: "memory",
    ChangeVerdict.better: "quality",
    ChangeVerdict.worse: "quality",
}


def compare_table(comparisons: Sequence[Comparison]) -> Table:
    """One row for each run that both sweeps measured; a column that no run fills is left out."""
    rows = [_row(each) for each in comparisons]
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) for row in rows)]
    return Table(
        name="compare",
        title="B against A",
        headings=tuple(names),
        words=frozenset({"run", "B is", "machine"}),
        rows=tuple(tuple(row.get(name, "") for name in names) for row in rows),
        raw=(),
    )


def tally(compared: ComparedSweeps) -> str:
    """How many of each verdict, and what verdicts and intervals mean."""
    counts = Counter(verdict for each in compared.points for verdict in each.verdicts)
    undecided = sum(not each.verdicts for each in compared.points)
    said = ", ".join(
        f"{verdict.value} in {counts[verdict]}" for verdict in KINDS if counts[verdict] or _is_timing(verdict)
    )
    return (
        f"B is {said}, ambiguous in {undecided} of {len(compared.points)}. Verdicts are of the whole table: where"
        " nothing changed, at most 5% of tables hold any. Brackets are 95% confidence intervals, each of one figure."
        f"{_margins(compared)}{_unclean(compared)}"
    )


def _row(each: Comparison) -> dict[str, str]:
    time, memory = each.change("latency"), each.change("memory")
    return {
        "run": each.name,
        "A, s": "" if each.a_latency_s is None else interval(each.a_latency_s),
        "B, s": "" if each.b_latency_s is None else interval(each.b_latency_s),
        "B / A": "" if time is None else ratio_interval(time.interval),
        "memory B / A": "" if memory is None else _ratio(memory),
        **{
            f"B better by, {change.unit}": interval(change.interval)
            for change in each.changes
            if change.kind == "quality"
        },
        "processes": "" if each.processes == (1, 1) else f"{each.processes[0]}, {each.processes[1]}",
        "machine": machine(each.disturbed),
        "B is": listed(list(dict.fromkeys(each.verdicts))) or ChangeVerdict.ambiguous.value,
    }


def _ratio(change: Change) -> str:
    """A ratio; without brackets where no noise was seen."""
    return (
        ratio_interval(change.interval)
        if change.interval.low < change.interval.high
        else f"{change.interval.estimate:.3f}"
    )


def _is_timing(verdict: ChangeVerdict) -> bool:
    return KINDS[verdict] == "latency"


def _margins(compared: ComparedSweeps) -> str:
    if not compared.margins:
        return ""
    return (
        " Where a side has one process, its interval covers that process alone, and latency and memory must differ by"
        f" more than {listed([f'{margin:.1%}' for margin in compared.margins])} beyond it. {FEW_SAMPLES}"
    )


NO_VERDICT = ": where that is a single process on a disturbed one, its time gets no verdict"


def _unclean(compared: ComparedSweeps) -> str:
    unclean = sum(bool(each.disturbed) for each in compared.points)
    return f" {unclean} of {len(compared.points)} were not timed on a clean machine{NO_VERDICT}." if unclean else ""
