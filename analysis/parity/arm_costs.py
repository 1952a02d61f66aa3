"""What forward passes of one model in one setting cost, by batch: seconds that were measured, least seconds, watts.

All records of the model that share their controls but for shape and texts are taken together, since a pass does not
depend on the run that it is part of.
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from analysis.statistics.forward_passes.composition import Costs, Forward, costs_of
from analysis.statistics.forward_passes.counted_work import CountedWork, Pass, counted_work
from analysis.statistics.forward_passes.pace import Way
from analysis.statistics.forward_passes.times import forwards_of, prefill_times, times_of_forwards
from crossover.records.policies import Blocks, CacheName
from crossover.records.profile import Limits
from crossover.records.record import Record
from crossover.records.run import Run

FULL_TOKENS = 8192
"""From so many tokens a pass on, twice the rows take twice the time: the compiled engine computes them in parts."""


@dataclass(frozen=True, kw_only=True)
class ArmCosts:
    """Costs of passes by the rows of a batch; those of the prefill stand as passes that compute nothing but it.

    Attributes:
        seconds: of passes in generations without a cache, and of the baseline; `kept_seconds`: in those with one, where
            a refresh meets a cooler card and the keys and values are kept.
        work: what gives the least time of any pass; None where no record counts its work.
        watts: mean power while the model generated, by way (None of a baseline) and rows, where energy was measured.
    """

    seconds: Mapping[int, Costs]
    kept_seconds: Mapping[int, Costs]
    work: CountedWork | None
    watts: Mapping[Way | None, Mapping[int, float]]

    def one(self, rows: int, forward: Forward, *, keeps: bool = False) -> float:
        """Seconds of a pass in a generation that `keeps` keys and values or does not; of the other kind if need be.

        Raises:
            KeyError: when it was not timed, nor can be composed from those that were.
        """
        own, other = (self.kept_seconds, self.seconds) if keeps else (self.seconds, self.kept_seconds)
        with contextlib.suppress(KeyError):
            return _one(own, rows, forward)
        return _one(other, rows, forward)

    def least_s(self, one: Pass) -> float:
        """The least seconds that the device's ceilings allow for a pass; otherwise as above."""
        if self.work is None:
            raise KeyError(one)
        return self.work.least_s(one)

    def power(self, rows: int, way: Way | None = None) -> float:
        """Watts at a batch, straight between those that were measured on a logarithmic scale, the nearest beyond them.

        Raises:
            KeyError: when none was.
        """
        watts = self.watts[way]
        known = sorted(watts)
        return float(np.interp(math.log(rows), [math.log(each) for each in known], [watts[each] for each in known]))


def way_of(run: Run) -> Way | None:
    """In what way a run computes its forward passes; None for a baseline.

    A prefix cache and a refresh have passes of several kinds: such a run counts as a whole canvas, by its mean pass.
    """
    if run.diffusion is None:
        return None
    cache = run.diffusion.cache
    if cache is not None and run.diffusion.blocks is Blocks.sequence:
        return Way.block_causal
    return Way.dual if cache is not None and cache.name is CacheName.dual and cache.refresh is None else Way.whole


def prefill(prompt_tokens: int) -> Forward:
    """How the pass over a prompt of the baseline stands among its costs."""
    return Forward(0, prompt_tokens, 1)


def arm_costs(records: Sequence[Record]) -> ArmCosts:
    """Those of the records of one model."""
    return replace(timed_costs(records), work=counted_work(_generations(records)), watts=_watts(records))


def timed_costs(records: Sequence[Record]) -> ArmCosts:
    """The same with the seconds alone."""
    return ArmCosts(
        seconds=_seconds(each for each in records if not _is_cached(each)),
        kept_seconds=_seconds(each for each in records if _is_cached(each)),
        work=None,
        watts={},
    )


def _seconds(records: Iterable[Record]) -> dict[int, Costs]:
    timed: dict[int, dict[Forward, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        alike = timed[record.run.batch]
        for forward, times in times_of_forwards(record):
            alike[forward] += times
        if prefills := prefill_times(record):
            alike[prefill(record.run.prompt_tokens)] += prefills
    return {rows: costs_of(alike) for rows, alike in timed.items()}


def _one(by_rows: Mapping[int, Costs], rows: int, forward: Forward) -> float:
    if rows in by_rows and by_rows[rows].knows(forward.computed):
        return by_rows[rows].one(forward)
    is_whole = forward.computed == forward.kept
    parts = [
        each for each in by_rows if by_rows[each].knows(forward.computed) and each * forward.computed >= FULL_TOKENS
    ]
    fitting = [each for each in parts if rows % each == 0]
    if not is_whole or not fitting:
        raise KeyError(rows, forward)
    part = max(fitting)
    return rows // part * by_rows[part].one(forward)


def _generations(records: Iterable[Record]) -> Iterator[tuple[list[Pass], Limits]]:
    """Each record's passes, all of them, and its counts."""
    for record in records:
        measured, run = record.measurement, record.run
        if measured is None or measured.limits is None:
            continue
        if run.diffusion is None:
            yield continuation(run.batch, run.prompt_tokens, run.output_tokens), measured.limits
        elif run.timed_share is None and (forwards := forwards_of(run, measured.samples[0])):
            keeps = run.diffusion.cache is not None
            yield [Pass(rows=run.batch, forward=each, keeps=keeps) for each in forwards], measured.limits


def continuation(rows: int, prompt_tokens: int, output_tokens: int) -> list[Pass]:
    """The passes of a continuation: the prompt, and each token after the first."""
    first = Pass(rows=rows, forward=Forward(prompt_tokens, prompt_tokens, 1), keeps=True, causal=True)
    steps = (Forward(1, prompt_tokens + step, 1) for step in range(1, output_tokens))
    return [first, *(Pass(rows=rows, forward=each, keeps=True, causal=True) for each in steps)]


def _is_cached(record: Record) -> bool:
    return record.run.diffusion is not None and record.run.diffusion.cache is not None


def _watts(records: Iterable[Record]) -> dict[Way | None, dict[int, float]]:
    seen: dict[Way | None, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        profile = None if record.measurement is None else record.measurement.profile
        if profile is not None and profile.energy is not None and profile.energy.seconds > 0:
            seen[way_of(record.run)][record.run.batch].append(profile.energy.joules / profile.energy.seconds)
    return {way: {rows: median(each) for rows, each in by_rows.items()} for way, by_rows in seen.items()}
