"""What a person sees of a sweep: what it is about to do, and the table of all points at its end."""

import shlex
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from analysis.report.notes import notes
from analysis.report.replicates import in_grid_order
from analysis.report.terminal_table import table
from benchmark.store.mlflow_tracker import Tracker
from benchmark.sweep.plan import Plan
from crossover.addresses import masked
from crossover.records.record import Record
from crossover.terminal import say


def announce(console: Console, plan: Plan, done: Collection[str], *, at_most: bool) -> None:
    """What a sweep is about to do, given the keys that are done; a search runs `at_most` so many."""
    if len(plan.points) == 1 and not done:
        return
    parts = [f"{'at most ' if at_most else ''}{len(plan.dispatched) - len(done)} to run"]
    if done:
        parts.append(f"{len(done)} done before, skipped (rerun=failed or all repeats them)")
    if plan.repeated:
        parts.append(f"{plan.repeated} the same as another (a setting that their model ignores)")
    if plan.infeasible:
        parts.append(f"{len(plan.infeasible)} infeasible")
    points = "1 grid point" if plan.total == 1 else f"{plan.total} grid points"
    processes = f" in {plan.replicates} processes each" if plan.replicates > 1 else ""
    say(console, f"{points}{processes}: {', '.join(parts)}")


def conclude(console: Console, records: Sequence[Record], output_dir: Path, tracker: Tracker | None) -> None:
    """The table of all points, why some are missing, where the records are, how to open MLflow."""
    records = in_grid_order(records)
    console.print()
    table(records, width=console.width).show(console)
    say(console, *notes(records))
    say(console, f"Records  {_short(output_dir / 'records')}", *([] if tracker is None else _look(tracker)))


def _look(tracker: Tracker) -> list[str]:
    if not tracker.is_local:
        return [f"MLflow   {masked(tracker.uri)}{tracker.page}"]
    store = shlex.quote(f"sqlite:///{_short(Path(tracker.uri.removeprefix('sqlite:///')))}")
    program = "mlflow" if shutil.which("mlflow") else f"{shlex.quote(str(_short(Path(sys.executable))))} -m mlflow"
    return [
        f"MLflow   MLFLOW_DISABLE_TELEMETRY=true {program} ui --backend-store-uri {store}",
        f"         http://127.0.0.1:5000{tracker.page}",
    ]


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
