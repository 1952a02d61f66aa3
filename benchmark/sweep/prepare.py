"""Conduct a sweep: compose and check every point, skip what is done, launch the rest, show them all."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from omegaconf import DictConfig
from rich.console import Console

from benchmark.config.convert import to_config, to_run, to_settings
from benchmark.config.schema import Config
from benchmark.config.settings import Settings
from benchmark.dispatch.ledger import Entry, Sweep
from benchmark.execution.fingerprint import as_json, without_secrets
from benchmark.hardware.environment import gpu_count
from benchmark.sweep.display import announce
from benchmark.sweep.driver import Launch, SweepDriver
from benchmark.sweep.expected_environment import expected_environment
from benchmark.sweep.plan import Plan, Point, plan
from benchmark.sweep.preflight import preflight
from crossover.errors import UserError
from crossover.terminal import make_console, say

Compose = Callable[[Sequence[str]], DictConfig]
Grid = Sequence[Sequence[str]]


def id_of(overrides: Sequence[str]) -> str:
    """The sweep that a job belongs to, which its overrides name."""
    return next(each.removeprefix("sweep.id=") for each in overrides if each.startswith("sweep.id="))


def run_grid(grid: Grid, *, compose: Compose, launch: Launch) -> None:
    """Run a grid of overrides, one job a point.

    Raises:
        UserError: when a point is not allowed; nothing has been started then.
        SystemExit: with the sweep's exit code, unless it is 0.
    """
    driver = begin(grid, compose=compose, launch=launch)
    interrupted = False
    try:
        driver.launch(driver.plan.dispatched)
    except KeyboardInterrupt:
        interrupted = True
    driver.finish(driver.plan.points, interrupted=interrupted)


def dry_run(console: Console, planned: Plan, *, remote: bool) -> None:
    """Show what the points would take, and start none of them."""
    from benchmark.sweep.dry_run import forecast, show_forecast  # torch, which planning does without

    runs = [point.run for point in planned.dispatched]
    show_forecast(console, forecast(runs, remote=remote), remote=remote, infeasible=len(planned.infeasible))


def begin(grid: Grid, *, compose: Compose, launch: Launch, search: bool = False) -> SweepDriver:
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
        settings = common_settings(configs)
        if settings.dry_run:
            dry_run(console, planned, remote=settings.remote)
            raise SystemExit(0)
        tracker = preflight([point.run for point in planned.dispatched], settings, partial(say, console))
    driver = SweepDriver(
        console=console,
        plan=planned,
        settings=settings,
        sweep=make_sweep(planned, settings, search=search),
        launcher=launch,
        tracker=tracker,
    )
    for line in driver.journal.set_aside({point.run.key for point in planned.points}):
        driver.say(line)
    announce(console, planned, driver.done(planned.dispatched), at_most=search)
    driver.sweep.write()
    driver.record_infeasible()
    return driver


SETTING_KEYS = {
    "tracking_uri": "tracking.uri",
    "experiment": "tracking.experiment",
    "sweep": "sweep.name",
    "remote": "hardware.remote",
    "gpu": "hardware.gpu",
}
"""What settings are called on the command line, where that is another name."""


def common_settings(configs: Sequence[Config]) -> Settings:
    """The settings that all points of a sweep share.

    Raises:
        UserError: naming one that varies, which would be ignored for all points but the first.
    """
    first, *others = (to_settings(config) for config in configs)
    for other in others:
        if other != first:
            found = vars(other)
            name, value = next((name, value) for name, value in vars(first).items() if found[name] != value)
            raise UserError(
                f"{SETTING_KEYS.get(name, name)} is {_as_written(value)} for one point of this sweep and"
                f" {_as_written(found[name])} for another: a sweep has one, so give a command for each"
            )
    return first


def _as_written(value: object) -> str:
    """A setting as a command line says it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def make_sweep(planned: Plan, settings: Settings, *, search: bool = False) -> Sweep:
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
        conditions=expected_environment(planned.points[0].run, settings),
        search=search,
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
