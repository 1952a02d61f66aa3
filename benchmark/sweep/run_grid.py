"""Run a grid of points from its preparation to its table."""

from benchmark.sweep.driver import HandOut, SlotsOf, no_slots
from benchmark.sweep.prepare import Compose, Grid, prepare


def run_grid(grid: Grid, *, compose: Compose, hand_out: HandOut, slots_of: SlotsOf = no_slots) -> None:
    """Run a grid of overrides, one job a point.

    Raises:
        UserError: when a point is not allowed; nothing has been started then.
        SystemExit: with the sweep's exit code, unless it is 0.
    """
    driver = prepare(grid, compose=compose, hand_out=hand_out, slots_of=slots_of)
    if driver is None:
        return
    interrupted = False
    try:
        driver.launch(driver.plan.dispatched)
    except KeyboardInterrupt:
        interrupted = True
    driver.finish(driver.plan.points, interrupted=interrupted)
