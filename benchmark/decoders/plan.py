"""Which forward passes a run with `timing=sampled` makes and times, of all that its schedule has. Plain arithmetic.

Of the passes that compute equally many positions a share is chosen, three at least, evenly spread over the positions
that they read and attend to, both ends among them. The others are left out: nothing is computed, and the tokens that
they would write are whatever; with random weights no token means anything.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from analysis.statistics.forward_passes.composition import Forward
from benchmark.decoders.schedule import planned_forwards
from crossover.records.run import Run

FEWEST = 3
"""Passes of a kind that are timed in any case: both ends, and one that shows whether the line between is straight."""
LONG_PASS_S = 0.25
"""From here on a pass behind others that are left out is timed at once: the host queues it in a thousandth of it."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The forward passes of a generation, prefill apart, and the indices of those that are made and timed."""

    forwards: tuple[Forward, ...]
    timed: tuple[int, ...]


def plan_of(run: Run) -> Plan | None:
    """The plan; None where every forward pass is timed."""
    if run.timed_share is None:
        return None
    forwards = tuple(_forwards(run))
    return Plan(forwards=forwards, timed=timed_indices(forwards, run.timed_share))


def timed_indices(forwards: Sequence[Forward], share: float) -> tuple[int, ...]:
    """The indices of the passes to be timed, in order."""
    kinds: dict[int, list[int]] = defaultdict(list)
    for index, forward in enumerate(forwards):
        kinds[forward.computed].append(index)
    chosen: set[int] = set()
    for indices in kinds.values():
        ordered = sorted(indices, key=lambda index: (forwards[index].read, forwards[index].kept, index))
        chosen.update(_spread(ordered, max(FEWEST, ceil(share * len(ordered)))))
    return tuple(sorted(chosen))


def _forwards(run: Run) -> Iterator[Forward]:
    if run.diffusion is None:
        for written in range(1, run.output_tokens):
            yield Forward(computed=1, kept=run.prompt_tokens + written, read=1)
        return
    for each in planned_forwards(run.diffusion, run.prompt_tokens, run.output_tokens, run.batch):
        yield Forward(computed=each.computed, kept=each.seen or run.length, read=each.read)


def _spread(ordered: Sequence[int], count: int) -> list[int]:
    """So many of them, evenly spaced, the first and the last among them; all where there are no more."""
    if count >= len(ordered):
        return list(ordered)
    return [ordered[round(index * (len(ordered) - 1) / (count - 1))] for index in range(count)]
