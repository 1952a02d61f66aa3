"""Conduct a sweep: compose and check every point, record the infeasible, launch the rest, show them all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig
from rich.console import Console

from analysis.table import make_console
from benchmark.config import Settings, to_config, to_run, to_settings
from benchmark.environment import gpu_count
from benchmark.preflight import make_tracker, preflight
from benchmark.record import Record
from benchmark.screen import announce, conclude
from benchmark.sinks.journal import Journal
from benchmark.sweep import INTERRUPTED, Plan, Point, exit_code, plan, undispatched

Compose = Callable[[Sequence[str]], DictConfig]
Launch = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]


@dataclass(frozen=True, kw_only=True)
class _Sweep:
    """A planned sweep, its name for this once, and when it began."""

    plan: Plan
    settings: Settings
    id: str
    began: datetime


def conduct(grid: Sequence[Sequence[str]], *, compose: Compose, launch: Launch) -> None:
    """Run a grid of overrides, one job a point.

    Raises:
        UserError: when a point is not allowed; nothing has been started then.
        SystemExit: with the sweep's exit code, unless it is 0.
    """
    console = make_console()
    with console.status("checking grid points, checkpoints and the tracking store"):
        sweep = _prepare(grid, compose)
    announce(console, sweep.plan)
    _record_infeasible(sweep)
    interrupted = _launch(console, sweep, launch)
    records = _records(sweep)
    conclude(console, records, sweep.settings.output_dir, make_tracker(sweep.settings))
    missing = len(sweep.plan.points) - len(records)
    if missing:
        console.print(f"{missing} of {len(sweep.plan.points)} grid points have no record: give the command again")
    if code := INTERRUPTED if interrupted else exit_code(records, expected=len(sweep.plan.points)):
        raise SystemExit(code)


def _prepare(grid: Sequence[Sequence[str]], compose: Compose) -> _Sweep:
    configs = [to_config(compose(overrides)) for overrides in grid]
    runs = [to_run(config, gpu_count) for config in configs]
    planned = plan([Point(run=run, overrides=tuple(point)) for run, point in zip(runs, grid, strict=True)])
    settings = to_settings(configs[0])
    preflight([point.run for point in planned.dispatched], settings)
    began = datetime.now(UTC)
    return _Sweep(plan=planned, settings=settings, id=f"{settings.sweep}-{began:%Y%m%d-%H%M%S-%f}", began=began)


def _record_infeasible(sweep: _Sweep) -> None:
    tracker = make_tracker(sweep.settings)
    for point in sweep.plan.infeasible:
        record = undispatched(point.run, sweep.id)
        Journal(output_dir=sweep.settings.output_dir).write(record)
        if tracker:
            tracker.log(record)


def _launch(console: Console, sweep: _Sweep, launch: Launch) -> bool:
    """Launch all that can run; whether the person at the keyboard stopped it."""
    size = len(sweep.plan.dispatched)
    jobs = [
        [*point.overrides, f"sweep.id={sweep.id}", f"sweep.index={index}", f"sweep.size={size}"]
        for index, point in enumerate(sweep.plan.dispatched)
    ]
    try:
        returns = launch(jobs, 0) if jobs else []
    except KeyboardInterrupt:
        return True
    except Exception as error:  # noqa: BLE001 (a launcher's own failure must not hide the points that are done)
        console.print(f"the launcher stopped: {error}", markup=False, soft_wrap=True)
        return False
    for job, point in zip(returns, sweep.plan.dispatched, strict=True):
        if job.status is not JobStatus.COMPLETED:
            reason = job._return_value  # noqa: SLF001 (the property would raise it)
            console.print(f"{point.run.name} ended without a record: {reason}", markup=False, soft_wrap=True)
    return False


def _records(sweep: _Sweep) -> list[Record]:
    """This sweep's records, in the order of its plan."""
    own = Journal(output_dir=sweep.settings.output_dir).read(sweep.id, sweep.began)
    by_key = {record.key: record for record in own}
    return [by_key[point.run.key] for point in sweep.plan.points if point.run.key in by_key]
