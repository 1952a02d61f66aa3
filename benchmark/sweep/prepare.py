"""Prepare a sweep: compose its points, plan them, check what they need, and put the sweep's ledger on disk."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial

from omegaconf import DictConfig
from rich.console import Console

from benchmark.config.convert import to_config, to_run
from benchmark.config.schema import Config
from benchmark.config.settings import Rerun, Settings
from benchmark.dispatch.context import SweepContext
from benchmark.dispatch.ledger import GridPoint, Sweep, grid_point
from benchmark.execution.fingerprint import as_json
from benchmark.hardware.environment import gpu_count
from benchmark.hardware.slots import Slot
from benchmark.store.journal import Journal
from benchmark.store.mlflow_tracker import Tracker
from benchmark.store.record_index import RecordIndex
from benchmark.sweep.common_settings import common_settings
from benchmark.sweep.display import announce
from benchmark.sweep.driver import HandOut, SlotsOf, SweepDriver, no_slots
from benchmark.sweep.expected_environment import expected_environment, expected_threads
from benchmark.sweep.identified import identified
from benchmark.sweep.plan import Plan, plan
from benchmark.sweep.preflight import preflight
from benchmark.sweep.trials import in_trials
from crossover.addresses import all_masked
from crossover.errors import UserError
from crossover.terminal import make_console, say

Grid = Sequence[Sequence[str]]
"""The overrides of the points, one list a point."""
Compose = Callable[[Sequence[str]], DictConfig]
"""A function that makes a point's configuration from its overrides."""


@dataclass(frozen=True, kw_only=True)
class CheckedSweep:
    """A sweep whose points are allowed and have what they need.

    `tracker` is None without a store, and in a dry run; `slots` where the launcher has none.
    """

    plan: Plan
    settings: Settings
    tracker: Tracker | None
    records: RecordIndex
    slots: Sequence[Slot] | None = None


def prepare(
    grid: Grid, *, compose: Compose, hand_out: HandOut, slots_of: SlotsOf = no_slots, search: bool = False
) -> SweepDriver | None:
    """The driver of a sweep whose ledger is on disk; None after a dry run, which needs none.

    Raises:
        UserError: when a point is not allowed, or lacks something; nothing has been started then.
    """
    console = make_console()
    with console.status("checking grid points, checkpoints and the tracking store"):
        checked = _check(console, [to_config(compose(overrides)) for overrides in grid], grid, slots_of)
    if checked.settings.dry_run:
        _dry_run(console, checked)
        return None
    if search and checked.settings.detach:
        raise UserError("detach=true cannot be used here: a search decides what to run next by what was measured")
    return driver_of(console, checked, hand_out, search=search)


def _check(console: Console, configs: Sequence[Config], grid: Grid, slots_of: SlotsOf) -> CheckedSweep:
    """Plan the points, and look for everything that those to be run need, unless this is a dry run."""
    count = cache(gpu_count)
    planned = plan([_point(config, overrides, count) for config, overrides in zip(configs, grid, strict=True)])
    settings = common_settings(configs)
    slots = slots_of([point.run for point in planned.dispatched], settings)
    tracker = None
    records = RecordIndex(Journal(output_dir=settings.output_dir))
    if not settings.dry_run:
        tracker = preflight([point.run for point in planned.dispatched], settings, partial(say, console))
        planned = identified(planned, records, take_older=settings.rerun is not Rerun.all)
    planned = in_trials(planned, settings.replicates, pack=settings.pack)
    return CheckedSweep(plan=planned, settings=settings, tracker=tracker, records=records, slots=slots)


def _point(config: Config, overrides: Sequence[str], gpu_count: Callable[[], int]) -> GridPoint:
    """The point of a configuration, without the address of the store, which may have a password."""
    described = ["tracking.uri=***" if each.lstrip("+").startswith("tracking.uri=") else each for each in overrides]
    return grid_point(to_run(config, gpu_count), described, as_json(all_masked(asdict(config))))


def _dry_run(console: Console, checked: CheckedSweep) -> None:
    """Show what the points would take, and start none of them."""
    from benchmark.sweep.dry_run import forecast, show_forecast  # torch, which planning does without

    remote, replicates = checked.settings.remote, checked.plan.replicates
    runs = [point.run for point in checked.plan.dispatched if not point.replicate]
    with console.status("predicting grid points"):
        forecasts = forecast(
            runs, remote=remote, alone=replicates > 1 and not checked.slots, spread=bool(checked.slots)
        )
    show_forecast(
        console,
        forecasts,
        remote=remote,
        infeasible=len(checked.plan.infeasible),
        replicates=replicates,
        slots=[slot.name for slot in checked.slots or ()],
    )


def driver_of(console: Console, checked: CheckedSweep, hand_out: HandOut, *, search: bool) -> SweepDriver:
    """Say what is to be done, put the ledger on disk, and record what no machine can run."""
    keys = {point.key for point in checked.plan.points}
    checked.records.refresh(keys)
    sweep = make_sweep(checked.plan, checked.settings, search=search)
    sweep = replace(sweep, earlier=checked.records.names(keys))
    driver = SweepDriver(
        context=SweepContext(sweep=sweep, records=checked.records, console=console),
        plan=checked.plan,
        settings=checked.settings,
        hand_out=hand_out,
        tracker=checked.tracker,
    )
    driver.read_records()
    driver.set_aside_broken()
    announce(console, checked.plan, driver.done(checked.plan.dispatched), at_most=search)
    sweep.write()
    driver.record_infeasible()
    return driver


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
        strict=settings.strict,
        entries=tuple(replace(each, cpu_threads=expected_threads(each.run, settings)) for each in planned.points),
    )
