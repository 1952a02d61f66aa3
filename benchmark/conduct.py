"""Conduct a sweep: compose and check every point, skip what is done, launch the rest, show them all."""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from hydra.core.utils import JobReturn
from omegaconf import DictConfig
from rich.console import Console

from analysis.table import make_console
from benchmark.aftermath import Standing, settle, settle_all
from benchmark.conditions import conditions
from benchmark.config import Settings, to_config, to_run, to_settings
from benchmark.environment import gpu_count
from benchmark.fingerprint import as_json, without_secrets
from benchmark.ledger import Entry, Sweep
from benchmark.preflight import preflight
from benchmark.resume import Wanted, dominated
from benchmark.screen import announce, conclude
from benchmark.sinks.journal import Journal
from benchmark.sinks.mirror import sync
from benchmark.sinks.tracking import Tracker
from benchmark.slurm import Slurm
from benchmark.sweep import INTERRUPTED, Plan, Point, exit_code, plan
from benchmark.task import spared, unrun, wanted
from records.errors import UserError
from records.record import Failure, FailureKind, Record

Compose = Callable[[Sequence[str]], DictConfig]
Grid = Sequence[Sequence[str]]
Launch = Callable[[Sequence[Sequence[str]], int], Sequence[JobReturn]]

SYNC_S = 60.0
"""How long the tracking store may keep a sweep that is done from ending."""
LOOK_S = 2.0
"""How often to look for points that another sweep is measuring."""


@dataclass(frozen=True, kw_only=True)
class Conductor:
    """A planned sweep under way: launches its points, finds their records, says what became of them."""

    console: Console
    plan: Plan
    settings: Settings
    sweep: Sweep
    launcher: Launch
    tracker: Tracker | None

    @property
    def journal(self) -> Journal:
        """Where this sweep's records are."""
        return Journal(output_dir=self.settings.output_dir)

    @property
    def wanted(self) -> Wanted:
        """What this sweep takes for done."""
        return wanted(self.sweep)

    def record_infeasible(self) -> None:
        """Give each point that no machine can run its record, unless it has one."""
        done = self.done(self.plan.infeasible)
        for point in self.plan.infeasible:
            if point.run.key not in done:
                assert point.run.infeasible
                self.record(
                    unrun(point.run, self.sweep.id, Failure(kind=FailureKind.infeasible, message=point.run.infeasible))
                )

    def record(self, record: Record) -> None:
        """Put a record on disk that no job writes."""
        path = self.journal.write(record)
        if self.tracker and (problem := self.tracker.log(record, path)):
            self.say(f"MLflow did not take {record.name} ({problem}); its record is safe: {path}")

    def launch(self, points: Sequence[Point]) -> None:
        """Run those points that are not done, and wait for those that another sweep is measuring.

        Raises:
            UserError: when nothing could be started.
            KeyboardInterrupt: when the person at the keyboard stopped it.
        """
        missing = self._missing(points)
        elsewhere = self._elsewhere(missing)
        self._start([point for point in missing if point.run.key not in elsewhere])
        if not self.settings.detach:
            found = self.found(missing)
            self._follow([point for point in missing if point.run.key not in found])

    def _start(self, points: Sequence[Point]) -> None:
        size = len(self.sweep.entries)
        jobs = [
            [*point.overrides, f"sweep.id={self.sweep.id}", f"sweep.index={self.place(point)}", f"sweep.size={size}"]
            for point in points
        ]
        try:
            if jobs:
                self.launcher(jobs, self.place(points[0]))
        except UserError:
            raise
        except Exception as error:  # noqa: BLE001 (a launcher's own failure must not hide the points that are done)
            self.say(f"the launcher stopped: {error}")

    def _missing(self, points: Sequence[Point]) -> list[Point]:
        """Points without a record that counts; those larger than one that ran out of memory get theirs, when asked."""
        done = self.done(points)
        missing = [point for point in points if point.run.key not in done]
        if not self.settings.skip_dominated:
            return missing
        smaller = {point.run.key: dominated(point.run, done) for point in missing}
        for point in missing:
            if (cause := smaller[point.run.key]) is not None:
                self.record(unrun(point.run, self.sweep.id, spared(cause)))
        return [point for point in missing if smaller[point.run.key] is None]

    def _elsewhere(self, points: Sequence[Point]) -> dict[str, Standing]:
        """Those points that another sweep has under way, by their keys."""
        live = settle_all(self.settings.output_dir, Slurm(), besides=self.sweep.id)
        keys = {point.run.key for point in points}
        return {key: standing for key, standing in live.items() if key in keys}

    def _follow(self, points: Sequence[Point]) -> None:
        """Wait until no other sweep is at these points any more; run what they leave undone."""
        elsewhere = self._elsewhere(points)
        if elsewhere:
            self.say(
                f"{len(elsewhere)} grid points are under way in another sweep ({next(iter(elsewhere.values())).who}):"
                " waiting for their records"
            )
        with self.console.status(f"waiting for {len(elsewhere)} grid points of another sweep"):
            while elsewhere:
                time.sleep(LOOK_S)
                elsewhere = self._elsewhere(points)
        found = self.found(points)
        self._start([point for point in points if point.run.key not in found])

    def place(self, point: Point) -> int:
        """Where a point stands in the ledger."""
        return self.sweep.places[point.run.key]

    def done(self, points: Collection[Point]) -> dict[str, Record]:
        """The records that count as done, by the keys of their runs."""
        return self.wanted.done(self.journal.of({point.run.key for point in points}).records)

    def found(self, points: Collection[Point]) -> dict[str, Record]:
        """What became of points, by the keys of their runs: what is done, else the latest failure since we began."""
        records = self.journal.of({point.run.key for point in points}).records
        recent = {
            each.key: each for each in records if each.sweep == self.sweep.id or each.started_at >= self.sweep.began
        }
        return recent | self.wanted.done(records)

    def records(self) -> dict[str, Record]:
        """The records of this sweep's points so far, by the keys of their runs."""
        return self.found(self.plan.points)

    def finish(self, points: Sequence[Point], *, interrupted: bool) -> None:
        """Show the table of `points` and what is missing.

        Raises:
            SystemExit: with the sweep's exit code, unless it is 0.
        """
        live = [each for each in settle(self.sweep, Slurm()) if each.is_live and each.job]
        self.synchronise()
        found = self.found(points)
        records = [found[point.run.key] for point in points if point.run.key in found]
        conclude(self.console, records, self.settings.output_dir, self.tracker)
        missing = len(points) - len(records)
        if live:
            self.say(
                f"{len(live)} grid points are under way: python -m benchmark.status {self.settings.output_dir} --follow"
            )
        elif missing:
            self.say(f"{missing} of {len(points)} grid points have no record: give the command again")
        if interrupted:
            raise SystemExit(INTERRUPTED)
        if live and not records:
            return  # handed out, and nothing to judge yet
        if code := exit_code(records, expected=len(points) - len(live)):
            raise SystemExit(code)

    def synchronise(self) -> None:
        """Bring the tracking store to the journal's state; what it does not take is safe there, and said."""
        if self.tracker is None:
            return
        with self.console.status("bringing MLflow up to date"):
            synced = sync(self.journal, self.tracker, limit_s=SYNC_S)
        if synced.reason is not None:
            self.say(f"MLflow: {synced.line()}; later: python -m benchmark.sync {self.settings.output_dir}")

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def id_of(overrides: Sequence[str]) -> str:
    """The sweep that a job belongs to, which its overrides name."""
    return next(each.removeprefix("sweep.id=") for each in overrides if each.startswith("sweep.id="))


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
        planned = plan(
            [
                Point(run=run, overrides=tuple(point), config=as_json(asdict(config)))
                for run, point, config in zip(runs, grid, configs, strict=True)
            ]
        )
        settings = to_settings(configs[0])
        if settings.dry_run:
            dry_run(console, planned, remote=settings.remote)
            raise SystemExit(0)
        tracker = preflight([point.run for point in planned.dispatched], settings)
    conductor = Conductor(
        console=console,
        plan=planned,
        settings=settings,
        sweep=make_sweep(planned, settings),
        launcher=launch,
        tracker=tracker,
    )
    for line in conductor.journal.set_aside({point.run.key for point in planned.points}):
        conductor.say(line)
    announce(console, planned, conductor.done(planned.dispatched), at_most=search)
    conductor.sweep.write()
    conductor.record_infeasible()
    return conductor


def make_sweep(planned: Plan, settings: Settings) -> Sweep:
    """The ledger of a new sweep."""
    began = datetime.now(UTC)
    return Sweep(
        id=f"{settings.sweep}-{began:%Y%m%d-%H%M%S-%f}",
        began=began.isoformat(),
        output_dir=str(settings.output_dir),
        tracking_uri=settings.tracking_uri,
        experiment=settings.experiment,
        remote=settings.remote,
        rerun=settings.rerun,
        skip_dominated=settings.skip_dominated,
        conditions=conditions(planned.points[0].run, settings),
        entries=tuple(
            Entry(
                key=point.run.key,
                name=point.run.name,
                run=point.run,
                overrides=point.overrides,
                config=None if point.config is None else without_secrets(point.config),
            )
            for point in planned.points
        ),
    )
