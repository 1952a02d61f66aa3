"""Tasks of a sweep that processes on slots work on: the order of their points, and the task that a free slot takes.

A task has the points of one model and one trial. Several processes may work on one, and claim its points one by one.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.dispatch.batches import packed
from benchmark.dispatch.ledger import Sweep
from benchmark.roofline.expected import expected_s

START_S = 15.0
"""About how long a process takes before it measures: Python with its libraries, its model, kernels from the disk."""


@dataclass(frozen=True, kw_only=True)
class OpenTask:
    """What is left of a task: points that nobody measures or has measured, and the seconds that they take in all."""

    task: int
    trial: int
    points: int
    seconds: float


def expected_seconds(sweep: Sweep, indices: Sequence[int]) -> dict[int, float]:
    """About how long each point takes, by its index; a second each where that is not known of all."""
    runs = {sweep.entries[index].key: sweep.entries[index].run for index in indices}
    by_key = {key: expected_s(run) for key, run in runs.items()}
    known = {key: seconds for key, seconds in by_key.items() if seconds is not None}
    is_known = len(known) == len(by_key)
    return {index: known[sweep.entries[index].key] if is_known else 1.0 for index in indices}


def by_model(sweep: Sweep, indices: Sequence[int]) -> list[list[int]]:
    """Points in tasks of one model and one trial each, whatever their order in the grid."""
    entries = sweep.entries
    first: dict[object, int] = {}
    for index in indices:
        first.setdefault((entries[index].replicate, entries[index].run.model), index)
    together = sorted(indices, key=lambda index: first[entries[index].replicate, entries[index].run.model])
    return packed(sweep, together, len(indices))


def longest_first(tasks: Sequence[Sequence[int]], seconds: Mapping[int, float]) -> list[list[int]]:
    """Each task's points, those that take longest first, so that no slot waits for a long last point of another."""
    return [sorted(task, key=lambda index: -seconds[index]) for task in tasks]


def next_task(left: Sequence[OpenTask], under_way: Sequence[int]) -> int | None:
    """The task for a free slot, where `under_way` has a task for each process.

    The earliest trial first, in which another process would not come too late; in a trial a task that no process works
    on, if there is one, and else that with the most left for each process. None where the processes that work on a task
    will soon have begun the points that it has left.
    """
    workers = Counter(under_way)
    worth = [each for each in left if each.points > workers[each.task]]
    in_time = [each for each in worth if not workers[each.task] or _share_s(each, workers) > START_S]

    def rank(each: OpenTask) -> tuple[int, bool, float, int]:
        return each.trial, workers[each.task] > 0, -_share_s(each, workers), each.task

    best = min(in_time or worth, key=rank, default=None)
    return None if best is None else best.task


def _share_s(each: OpenTask, workers: Mapping[int, int]) -> float:
    """The seconds of a task that one more process would have for itself."""
    return each.seconds / (workers[each.task] + 1)


@dataclass(kw_only=True)
class _Slot:
    """A slot of a spread: the task of its process, and the points and seconds that it has so far."""

    task: int | None = None
    points: int = 0
    seconds: float = 0.0


def spread(
    tasks: Sequence[Sequence[int]],
    trials: Sequence[int],
    seconds: Mapping[int, float],
    starts_s: Sequence[float],
    slots: int,
) -> list[tuple[int, float]]:
    """The points that each slot would get, and when it would be done. `starts_s` has each task's time to start."""
    left = [list(task) for task in tasks]
    all_slots = [_Slot() for _ in range(slots)]
    free = [(0.0, number) for number in range(slots)]
    while free:
        _, number = heapq.heappop(free)
        slot = all_slots[number]
        if slot.task is None or not left[slot.task]:
            slot.task = next_task(
                [
                    OpenTask(
                        task=task, trial=trials[task], points=len(each), seconds=sum(seconds[index] for index in each)
                    )
                    for task, each in enumerate(left)
                    if each
                ],
                [each.task for each in all_slots if each is not slot and each.task is not None and left[each.task]],
            )
            if slot.task is None:
                continue
            slot.seconds += starts_s[slot.task]
        else:
            slot.seconds += seconds[left[slot.task].pop(0)]
            slot.points += 1
        heapq.heappush(free, (slot.seconds, number))
    return [(slot.points, slot.seconds) for slot in all_slots]
