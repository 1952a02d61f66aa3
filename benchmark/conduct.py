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
from benchmark.preflight import preflight
from benchmark.record import Record
from benchmark.screen import announce, conclude
from benchmark.sinks.journal import Journal
from benchmark.sinks.tracking import Tracker
from benchmark.sweep import INTERRUPTED, Plan, Point, exit_code, plan, undispatched

Compose = Callable[[Sequence[str]], DictConfig]
Grid = Sequence[Sequence[str]]
Launch = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]


@dataclass(frozen=True, kw_only=True)
class Conductor:
    """A planned sweep under way: launches its points, finds their records, says what became of them."""

    console: Console
    plan: Plan
    settings: Settings
    id: str
    began: datetime
    launcher: Launch
    tracker: Tracker | None

    @property
    def journal(self) -> Journal:
        """Where this sweep's records are."""
        return Journal(output_dir=self.settings.output_dir)

    def record_infeasible(self) -> None:
        """Give each point that no machine can run its record."""
        for point in self.plan.infeasible:
            record = undispatched(point.run, self.id)
            path = self.journal.write(record)
            if self.tracker and (problem := self.tracker.log(record)):
                self.say(f"MLflow did not take {record.name} ({problem}); its record is safe: {path}")

    def launch(self, points: Sequence[Point], *, first: int = 0) -> None:
        """Launch points and wait for them; `first` is the number of those launched before.

        Raises:
            KeyboardInterrupt: when the person at the keyboard stopped it.
        """
        size = len(self.plan.dispatched)
        jobs = [
            [*point.overrides, f"sweep.id={self.id}", f"sweep.index={first + place}", f"sweep.size={size}"]
            for place, point in enumerate(points)
        ]
        try:
            returns = self.launcher(jobs, first) if jobs else []
        except Exception as error:  # noqa: BLE001 (a launcher's own failure must not hide the points that are done)
            self.say(f"the launcher stopped: {error}")
            return
        for job, point in zip(returns, points, strict=True):
            if job.status is not JobStatus.COMPLETED:
                reason = job._return_value  # noqa: SLF001 (the property would raise it)
                self.say(f"{point.run.name} ended without a record: {reason}")

    def records(self) -> dict[str, Record]:
        """This sweep's records so far, by the keys of their runs."""
        return {record.key: record for record in self.journal.read(self.id, self.began)}

    def finish(self, points: Sequence[Point], *, interrupted: bool) -> None:
        """Show the table of `points` and what is missing.

        Raises:
            SystemExit: with the sweep's exit code, unless it is 0.
        """
        found = self.records()
        records = [found[point.run.key] for point in points if point.run.key in found]
        conclude(self.console, records, self.settings.output_dir, self.tracker)
        if missing := len(points) - len(records):
            self.say(f"{missing} of {len(points)} grid points have no record: give the command again")
        if code := INTERRUPTED if interrupted else exit_code(records, expected=len(points)):
            raise SystemExit(code)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def conduct(grid: Grid, *, compose: Compose, launch: Launch) -> None:
    """Run a grid of overrides, one job a point.

    Raises:
        UserError: when a point is not allowed; nothing has been started then.
        SystemExit: with the sweep's exit code, unless it is 0.
    """
    conductor = begin(grid, compose=compose, launch=launch)
    interrupted = False
    try:
        conductor.launch(conductor.plan.dispatched)
    except KeyboardInterrupt:
        interrupted = True
    conductor.finish(conductor.plan.points, interrupted=interrupted)


def dry_run(console: Console, planned: Plan, *, remote: bool) -> None:
    """Show what the points would take, and start none of them."""
    from benchmark.forecast import forecast, show_forecast  # torch, which planning does without

    runs = [point.run for point in planned.dispatched]
    show_forecast(console, forecast(runs, remote=remote), remote=remote, infeasible=len(planned.infeasible))


def begin(grid: Grid, *, compose: Compose, launch: Launch, search: bool = False) -> Conductor:
    """Compose and check every point, say what is to be done, and record what cannot be.

    Raises:
        UserError: when a point is not allowed.
    """
    console = make_console()
    with console.status("checking grid points, checkpoints and the tracking store"):
        configs = [to_config(compose(overrides)) for overrides in grid]
        runs = [to_run(config, gpu_count) for config in configs]
        planned = plan([Point(run=run, overrides=tuple(point)) for run, point in zip(runs, grid, strict=True)])
        settings = to_settings(configs[0])
        if settings.dry_run:
            dry_run(console, planned, remote=settings.remote)
            raise SystemExit(0)
        tracker = preflight([point.run for point in planned.dispatched], settings)
    began = datetime.now(UTC)
    sweep = f"{settings.sweep}-{began:%Y%m%d-%H%M%S-%f}"
    announce(console, planned, at_most=search)
    conductor = Conductor(
        console=console, plan=planned, settings=settings, id=sweep, began=began, launcher=launch, tracker=tracker
    )
    conductor.record_infeasible()
    return conductor
