"""Several processes a point: a trial measures every point once, and another trial follows it.

Drift of the machine must meet both arms alike. So each trial spreads the points of one model evenly among those of the
others, and every second trial goes the other way round.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchmark.dispatch.ledger import GridPoint
from benchmark.sweep.plan import Plan


def in_trials(planned: Plan, replicates: int, *, pack: int = 1) -> Plan:
    """The plan with each point in `replicates` processes, trial by trial; points that no machine can run stay single.

    Points that share a process, `pack` of them, stay together. With one replicate the plan stays as it is.
    """
    if replicates == 1:
        return planned
    order = alternating(planned.dispatched, pack)
    trials = (order if trial % 2 == 0 else list(reversed(order)) for trial in range(replicates))
    points = [replace(point, replicate=trial) for trial, order in enumerate(trials) for point in order]
    return replace(planned, points=(*points, *planned.infeasible), replicates=replicates)


def alternating(points: Iterable[GridPoint], pack: int = 1) -> list[GridPoint]:
    """The points, those of one model evenly among the others, in groups of `pack`."""
    by_model: dict[str, list[GridPoint]] = {}
    for point in points:
        by_model.setdefault(point.run.model.name, []).append(point)
    placed = [
        each
        for alike in by_model.values()
        for each in _placed([alike[start : start + pack] for start in range(0, len(alike), pack)])
    ]
    return [point for _, group in sorted(placed, key=lambda each: each[0]) for point in group]


def _placed(groups: Sequence[list[GridPoint]]) -> list[tuple[float, list[GridPoint]]]:
    """Groups with their places between 0 and 1, at equal distances and with half a distance at either end."""
    return [((index + 0.5) / len(groups), group) for index, group in enumerate(groups)]
