"""How the points of a dry run would spread over the GPUs of this machine, and what that takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.dispatch.slot_tasks import START_S, longest_first, spread
from crossover.records.settings import Model


@dataclass(frozen=True, kw_only=True)
class ExpectedPoint:
    """A point's model, the seconds in which a process loads it, and those that the point takes then."""

    model: Model
    loading_s: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SlotShare:
    """What a slot would do: so many measurements, until so many seconds after the start."""

    slot: str
    points: int
    seconds: float


def side_by_side(points: Sequence[ExpectedPoint], replicates: int, slots: Sequence[str]) -> list[SlotShare]:
    """The share of each slot."""
    by_model: dict[Model, list[int]] = {}
    for index, point in enumerate(points):
        by_model.setdefault(point.model, []).append(index)
    tasks = longest_first(list(by_model.values()), {index: point.seconds for index, point in enumerate(points)})
    starts_s = [START_S + max(points[index].loading_s for index in task) for task in tasks]
    numbered = [[index + trial * len(points) for index in task] for trial in range(replicates) for task in tasks]
    done = spread(
        numbered,
        [trial for trial in range(replicates) for _ in tasks],
        {
            index + trial * len(points): point.seconds
            for index, point in enumerate(points)
            for trial in range(replicates)
        },
        starts_s * replicates,
        len(slots),
    )
    return [
        SlotShare(slot=slot, points=number, seconds=ends_s) for slot, (number, ends_s) in zip(slots, done, strict=True)
    ]
