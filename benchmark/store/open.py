"""Which tracking store a sweep or a job writes to, by its settings."""

import time
from collections.abc import Callable
from pathlib import Path

from benchmark.config.settings import Settings
from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import Tracker
from crossover.mlflow_settings import SQLITE, database_uri

MIRROR_S = 30.0
"""Least time between two rounds of logging records of jobs that run elsewhere."""


def make_tracker(settings: Settings) -> Tracker | None:
    """The tracking store of these settings, if there is one."""
    return _tracker(settings.tracking_uri, settings.experiment, settings.output_dir)


def job_tracker(uri: str | None, experiment: str, output_dir: Path, *, remote: bool) -> Tracker | None:
    """The store that a job logs to itself.

    None for a database file of jobs on other machines: a network file system is no place for many writers, so
    whoever dispatched them logs their records (`benchmark.sync`).
    """
    tracker = _tracker(uri, experiment, output_dir)
    return None if tracker is not None and tracker.is_local and remote else tracker


def _tracker(uri: str | None, experiment: str, output_dir: Path) -> Tracker | None:
    if uri is None:
        return None
    spelled = database_uri(uri) if uri.startswith(SQLITE) else uri
    return Tracker(spelled, experiment, output_dir / "artifacts")


def mirroring(settings: Settings) -> Callable[[], None]:
    """What keeps the store up to date while jobs elsewhere run that do not log themselves, when called often."""
    tracker = make_tracker(settings)
    last = time.monotonic()

    def mirror() -> None:
        nonlocal last
        if tracker is not None and tracker.is_local and time.monotonic() - last > MIRROR_S:
            sync(Journal(output_dir=settings.output_dir), tracker, limit_s=MIRROR_S / 3)
            last = time.monotonic()

    return mirror
