"""The replicates of a point as one row of a table."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import geometric_mean, quantiles

from analysis.statistics.summary import figures_of
from crossover.records.record import Record

PROCESSES = "processes"
"""Beside a point's metrics: the number of processes that measured it."""
LATENCY, LOW, HIGH = "latency/e2e_s", "latency/e2e_p25_s", "latency/e2e_p75_s"


def by_point(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """The records of each point in the order of its first, measured ones before failed ones, then by replicate.

    Two records of one replicate, as before and after it was run again, are two rows.
    """
    points: dict[tuple[str, int], list[Record]] = {}
    seen: Counter[str] = Counter()
    for record in records:
        points.setdefault((record.key, seen[record.replicate_key]), []).append(record)
        seen[record.replicate_key] += 1
    return [
        tuple(sorted(alike, key=lambda each: (each.measurement is None, each.replicate or 0)))
        for alike in points.values()
    ]


def in_grid_order(records: Iterable[Record]) -> list[Record]:
    """Records by their models, in the order in which these appear, then by batch, length and steps.

    Processes side by side measure points in another order than that of the grid. What differs in nothing of this stays
    in its order.
    """
    records = list(records)
    models = list(dict.fromkeys(record.run.model.name for record in records))

    def place(record: Record) -> tuple[int, int, int, int]:
        run = record.run
        return models.index(run.model.name), run.batch, run.length, 0 if run.diffusion is None else run.diffusion.steps

    return sorted(records, key=place)


def metrics_of(replicates: Sequence[Record]) -> dict[str, float]:
    """The metrics of the first replicate; the latency of several is the geometric mean of their medians.

    So ratios of such latencies are the speed-ups that the analysis states. Throughput goes by the same latency.
    Quartiles are those of the replicates' medians, and samples are counted together.
    """
    measured = [figures_of(record) for record in replicates if record.measurement is not None]
    if not measured:
        return {}
    first = measured[0] | {
        PROCESSES: float(len(measured)),
        "work/samples": sum(each["work/samples"] for each in measured),
    }
    latencies_s = [each[LATENCY] for each in measured if LATENCY in each]
    if not latencies_s[1:] or LATENCY not in first:
        return first
    low, _, high = quantiles(latencies_s, n=4, method="inclusive")
    typical = geometric_mean(latencies_s)
    rates = {name: first[name] * first[LATENCY] / typical for name in first if name.startswith("throughput/")}
    return first | rates | {LATENCY: typical, LOW: low, HIGH: high}
