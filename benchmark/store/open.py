"""Open the tracking store that a sweep or a job writes to, by its settings."""

import time
from collections.abc import Callable
from pathlib import Path

from benchmark.config.settings import Settings
from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import Tracker
from crossover.mlflow_settings import SQLITE, database_uri

LOG_INTERVAL_S = 30.0
"""Least time between two rounds of logging records of jobs that run elsewhere."""


def make_tracker(settings: Settings) -> Tracker | None:
    """The tracking store of these settings, if there is one."""
    return _tracker(settings.tracking_uri, settings.experiment, settings.output_dir)


def job_tracker(uri: str | None, experiment: str, output_dir: Path, *, remote: bool) -> Tracker | None:
    """The store that a job logs to itself.

    None for jobs on other machines whose store is a database file, since many writers on a network file system damage
    such a file. The program that dispatched the jobs logs their records (`benchmark.sync`).
    """
    tracker = _tracker(uri, experiment, output_dir)
    return None if tracker is not None and tracker.is_local and remote else tracker


def _tracker(uri: str | None, experiment: str, output_dir: Path) -> Tracker | None:
    if uri is None:
        return None
    spelled = database_uri(uri) if uri.startswith(SQLITE) else uri
    return Tracker(spelled, experiment, output_dir / "artifacts")


def log_meanwhile(settings: Settings) -> Callable[[], None]:
    """A function that logs the records of jobs which do not log themselves; call it often while they run."""
    tracker = make_tracker(settings)
    last = time.monotonic()

    def log_new_records() -> None:
        nonlocal last
        if tracker is not None and tracker.is_local and time.monotonic() - last > LOG_INTERVAL_S:
            sync(Journal(output_dir=settings.output_dir), tracker, limit_s=LOG_INTERVAL_S / 3)
            last = time.monotonic()

    return log_new_records
