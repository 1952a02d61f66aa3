"""A dry run: what a sweep would take, point by point, and which points would not fit. Nothing is started or loaded."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from analysis.report.line_table import as_cell
from benchmark.execution.threads import set_threads
from benchmark.hardware.environment import gpu_count
from benchmark.roofline.expected import GIB, NOMINAL, shape_of_run
from benchmark.roofline.prediction import cost_s, loading_s, predict
from benchmark.roofline.work import Ceilings
from benchmark.sweep.side_by_side import ExpectedPoint, SlotShare, side_by_side
from crossover.errors import UserError
from crossover.records.record import Prediction
from crossover.records.run import Run
from crossover.records.settings import Device, Precision
from crossover.terminal import say

MINUTE_S, HOUR_S = 60, 3600
LONG = 100
"""Minutes are shown from this many seconds on, and hours from this many minutes on."""
FLOAT32_SLOWDOWN = 16
"""Matrix rate of bfloat16 over that of float32 without TF32: 312 to 19.5 TFLOP/s on an A100."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The device that runs would go to: its ceilings, its memory, and the source of both."""

    name: str
    ceilings: Ceilings
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One point's prediction. `prediction` is None where the shape is not known, for the reason in `note`.

    `seconds` has the loading of its model where the run loads it; `loading_s` is what that takes in any case.
    """

    run: Run
    prediction: Prediction | None
    seconds: float
    note: str
    loading_s: float = 0.0

    @property
    def fits(self) -> bool:
        """Whether nothing is known that speaks against it."""
        return not self.note.startswith("does not fit")


def forecast(runs: Sequence[Run], *, remote: bool, alone: bool = False, spread: bool = False) -> list[Forecast]:
    """Predict each run, in the order in which they would run; `alone` where each is a process of its own.

    With `spread` over slots no run has the loading of its model, since more processes than one load it.
    """
    forecasts: list[Forecast] = []
    for run in runs:
        loads = not spread and (remote or alone or not forecasts or forecasts[-1].run.model != run.model)
        compiles = remote or all(_shape_key(each.run) != _shape_key(run) for each in forecasts)
        target = target_of(run, remote=remote)
        forecasts.append(_one(run, target, loads=loads, remote=remote, compiles=compiles))
    return forecasts


def _shape_key(run: Run) -> tuple[object, ...]:
    """What a run's compiled kernels depend on, which a later run finds on disk."""
    cache = None if run.diffusion is None else run.diffusion.cache
    return run.model, run.batch, run.length, run.prompt_fraction, cache


def show_forecast(
    console: Console,
    forecasts: Sequence[Forecast],
    *,
    remote: bool,
    infeasible: int,
    replicates: int = 1,
    slots: Sequence[str] = (),
) -> None:
    """Print the table, and the sum over all points and their replicates."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("point", "where", "latency s", "whole run", "memory GiB", ""):
        table.add_column(heading, justify="left" if heading in {"point", "where", ""} else "right")
    for each in forecasts:
        table.add_row(*map(as_cell, _row(each, remote=remote)))
    console.print(table)
    say(console, *summary(forecasts, remote=remote, infeasible=infeasible, replicates=replicates, slots=slots))


def summary(
    forecasts: Sequence[Forecast], *, remote: bool, infeasible: int, replicates: int = 1, slots: Sequence[str] = ()
) -> list[str]:
    """Number of jobs, hours, how they spread over slots, points that will not fit."""
    fitting = [each for each in forecasts if each.fits]
    shares = _shares(fitting, replicates, slots)
    seconds = sum(each.seconds for each in shares) or replicates * sum(each.seconds for each in fitting)
    on_gpu = any(each.run.device is Device.cuda for each in forecasts)
    number = replicates * len(forecasts)
    jobs = "1 job" if number == 1 else f"{number} jobs"
    jobs += f" ({replicates} of each point)" if replicates > 1 else ""
    time = f"{_short(seconds / HOUR_S)} GPU-hours" if on_gpu else _duration(seconds)
    jobs += _order(number, shares, remote=remote)
    lines = [
        f"{jobs}: about {time}, with the least number of samples and without quality and likelihood",
        *_spread(shares),
        f"{len(forecasts) - len(fitting)} will not fit" if len(fitting) < len(forecasts) else "all that is known fits",
    ]
    if infeasible:
        lines.append(f"{infeasible} more cannot be run on any machine, and would be recorded as infeasible")
    return [*lines, "Nothing was run: leave out dry_run=true to run it."]


def _order(number: int, shares: Sequence[SlotShare], *, remote: bool) -> str:
    if len(shares) > 1:
        return f", one at a time on each of {len(shares)} {shares[0].slot.split()[0]}s"
    return "" if remote or number == 1 else ", one after another"


def _shares(fitting: Sequence[Forecast], replicates: int, slots: Sequence[str]) -> list[SlotShare]:
    if not slots or not fitting:
        return []
    points = [ExpectedPoint(model=each.run.model, loading_s=each.loading_s, seconds=each.seconds) for each in fitting]
    return side_by_side(points, replicates, slots)


def _spread(shares: Sequence[SlotShare]) -> list[str]:
    """A line of what each slot gets and how long all of it takes."""
    if not shares:
        return []
    last_s = max(each.seconds for each in shares)
    parts = [f"{each.slot}: {each.points} in {_duration(each.seconds)}" for each in shares]
    return [f"all done after about {_duration(last_s)} ({'; '.join(parts)})"]


def target_of(run: Run, *, remote: bool) -> Target:
    """The device that a run would run on: measured if it is in this machine, else with the figures of its kind."""
    if run.device is Device.cuda and (remote or not gpu_count()):
        return _elsewhere(run)
    import psutil
    import torch

    from benchmark.models.loaded import DTYPES
    from benchmark.roofline.ceilings import ceilings

    set_threads(run)
    measured = ceilings(torch.device(run.device.value), DTYPES[run.precision])
    if run.device is Device.cpu:
        return Target(name="this CPU", ceilings=measured, memory_bytes=psutil.virtual_memory().available)
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return Target(name=properties.name, ceilings=measured, memory_bytes=properties.total_memory)


def _elsewhere(run: Run) -> Target:
    """The kind of GPU that the run demands, with the memory that it demands; an A100 80GB where that is not known."""
    words = (run.gpu or "").upper()
    known = next((kind for kind in NOMINAL if kind in words), None)
    kind = known or "A100"
    ceilings, memory_bytes = NOMINAL[kind]
    if known and (size := re.search(r"(\d+) ?GB\b", words)):
        memory_bytes = (int(size[1]) - 1) * GIB  # the driver keeps some of it
    if run.precision is Precision.float32:
        ceilings = Ceilings(
            copy_bytes_per_s=ceilings.copy_bytes_per_s, matrix_flop_per_s=ceilings.matrix_flop_per_s / FLOAT32_SLOWDOWN
        )
    name = f"{kind}, nominal" if known or run.gpu is None else f"{kind}, nominal, for want of {run.gpu}"
    return Target(name=name, ceilings=ceilings, memory_bytes=memory_bytes)


def _one(run: Run, target: Target, *, loads: bool, remote: bool, compiles: bool) -> Forecast:
    try:
        shape = shape_of_run(run)
    except UserError as error:
        return Forecast(run=run, prediction=None, seconds=0.0, note=str(error))
    prediction = predict(run, shape, target.ceilings, target.memory_bytes if run.device is Device.cuda else None)
    fits = prediction.peak_bytes <= target.memory_bytes
    return Forecast(
        run=run,
        prediction=prediction,
        seconds=cost_s(run, shape, prediction, loads=loads, starts=remote, compiles=compiles),
        loading_s=loading_s(run, shape),
        note="" if fits else f"does not fit into {target.memory_bytes / GIB:.3g} GiB",
    )


def _row(each: Forecast, *, remote: bool) -> list[str]:
    target = target_of(each.run, remote=remote).name
    if each.prediction is None:
        return [each.run.name, target, "", "", "", each.note]
    return [
        each.run.name,
        target,
        _latency(each.prediction),
        _duration(each.seconds),
        f"{each.prediction.peak_bytes / GIB:.2f}",
        each.note,
    ]


def _latency(prediction: Prediction) -> str:
    """The latency; where the text decides, from the fewest forward passes to the most."""
    most = _short(prediction.latency_s)
    return most if prediction.least_latency_s is None else f"{_short(prediction.least_latency_s)} to {most}"


def _duration(seconds: float) -> str:
    if seconds < LONG:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE_S:.0f} min" if seconds < LONG * MINUTE_S else f"{seconds / HOUR_S:,.0f} h"


def _short(value: float) -> str:
    """Two or three digits of a number for people, never as a power of ten."""
    return f"{value:,.0f}" if value >= LONG else f"{value:.2g}" if value < 1 else f"{value:.3g}"
