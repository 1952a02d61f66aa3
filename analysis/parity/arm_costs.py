"""What forward passes of one model in one setting cost, by batch: seconds that were measured, least seconds, watts.

All records of the model that share their controls but for shape and texts are taken together, since a pass does not
depend on the run that it is part of.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from analysis.statistics.composition import Costs, Forward, costs
from analysis.statistics.forward_times import forward_times, forwards_of, prefill_times
from crossover.records.record import Measurement, Record

FULL_TOKENS = 8192
"""From so many tokens a pass on, twice the rows take twice the time: the compiled engine computes them in parts."""


@dataclass(frozen=True, kw_only=True)
class ArmCosts:
    """Costs of passes by the rows of a batch; those of the prefill stand as passes that compute nothing but it.

    Attributes:
        least_s: of a whole continuation, by rows and length; empty for diffusion.
        watts: mean power while the model generated, by rows, where energy was measured.
    """

    seconds: Mapping[int, Costs]
    least: Mapping[int, Costs]
    least_s: Mapping[tuple[int, int], float]
    watts: Mapping[int, float]

    def one(self, rows: int, forward: Forward) -> float:
        """Seconds of a pass.

        Raises:
            KeyError: when it was not timed, nor can be composed from those that were.
        """
        return _one(self.seconds, rows, forward)

    def least_one(self, rows: int, forward: Forward) -> float:
        """The least seconds that the device's ceilings allow for it; otherwise as above."""
        return _one(self.least, rows, forward)

    def power(self, rows: int) -> float:
        """Watts at a batch, straight between those that were measured on a logarithmic scale, the nearest beyond them.

        Raises:
            KeyError: when none was.
        """
        if not self.watts:
            raise KeyError(rows)
        known = sorted(self.watts)
        return float(
            np.interp(math.log(rows), [math.log(each) for each in known], [self.watts[each] for each in known])
        )


def prefill(prompt_tokens: int) -> Forward:
    """How the pass over a prompt of the baseline stands among its costs."""
    return Forward(0, prompt_tokens, 1)


def arm_costs(records: Sequence[Record]) -> ArmCosts:
    """Those of the records of one model."""
    timed: dict[int, list[tuple[Forward, float]]] = defaultdict(list)
    for record in records:
        timed[record.run.batch] += forward_times(record)
        timed[record.run.batch] += [(prefill(record.run.prompt_tokens), each) for each in prefill_times(record)]
    return ArmCosts(
        seconds={rows: costs(each) for rows, each in timed.items()},
        least=_least(records),
        least_s={
            (record.run.batch, record.run.length): record.measurement.limits.floor_s
            for record in records
            if record.measurement is not None and record.measurement.limits is not None and not record.run.diffusion
        },
        watts=_watts(records),
    )


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


def _least(records: Iterable[Record]) -> dict[int, Costs]:
    """Floors of single passes: of whole canvases their share of a run's, of windows what whole canvases leave of it."""
    known = [(record, record.measurement) for record in records if record.run.diffusion and record.measurement]
    made: dict[int, list[tuple[Forward, float]]] = defaultdict(list)
    mixed = []
    for record, measured in known:
        forwards = forwards_of(record.run, measured.samples[0])
        if measured.limits is None or not forwards or measured.samples[0].timed is not None:
            continue
        if {forward.computed for forward in forwards} == {record.run.length}:
            made[record.run.batch].append((_mean(forwards), measured.limits.floor_s / len(forwards)))
        else:
            mixed.append((record, measured, forwards))
    whole = {rows: costs(each) for rows, each in made.items()}
    for record, measured, forwards in mixed:
        made[record.run.batch] += _windows(record.run.batch, measured, forwards, whole)
    return {rows: costs(each) for rows, each in made.items()}


def _windows(
    rows: int, measured: Measurement, forwards: Sequence[Forward], whole: Mapping[int, Costs]
) -> list[tuple[Forward, float]]:
    assert measured.limits is not None
    windows = [forward for forward in forwards if forward.computed < forward.kept]
    if len({forward.computed for forward in windows}) != 1:
        return []
    try:
        others = sum(_one(whole, rows, forward) for forward in forwards if forward.computed == forward.kept)
    except KeyError:
        return []
    return [(_mean(windows), (measured.limits.floor_s - others) / len(windows))]


def _mean(forwards: Sequence[Forward]) -> Forward:
    first = forwards[0]
    return Forward(first.computed, first.kept, fmean(forward.read for forward in forwards))


def _watts(records: Iterable[Record]) -> dict[int, float]:
    seen: dict[int, list[float]] = defaultdict(list)
    for record in records:
        profile = None if record.measurement is None else record.measurement.profile
        if profile is not None and profile.energy is not None and profile.energy.seconds > 0:
            seen[record.run.batch].append(profile.energy.joules / profile.energy.seconds)
    return {rows: median(each) for rows, each in seen.items()}
