"""A team's MLflow: a server with PostgreSQL, many jobs at once, killed between two calls."""

import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import PATIENCE_S, RECORD, Tracker
from tests.factories import a_record, a_run
from tests.slurm.servers import Server

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]
JOBS = 32
PROCESSES = 4


def log(folder: Path, uri: str, experiment: str, seed: int) -> None:
    """What a job does, with a tracker of its own."""
    record = a_record(a_run(batch=seed + 1))
    journal = Journal(output_dir=folder)
    Tracker(uri, experiment, folder / "artifacts").log(record, journal.path(record.key, record.started_at))


def names(tracker: Tracker) -> Counter[str]:
    from mlflow import MlflowClient

    client: Any = MlflowClient(tracking_uri=tracker.uri)
    experiment = client.get_experiment_by_name(tracker.experiment)
    return Counter(run.data.tags[RECORD] for run in client.search_runs([experiment.experiment_id]))


def test_jobs_that_log_at_once_and_a_server_killed_among_them_lose_and_double_nothing(
    server: Server, tmp_path: Path
) -> None:
    journal, tracker = Journal(output_dir=tmp_path), Tracker(server.uri, "at-once", tmp_path / "artifacts")
    journal.prepare()
    tracker.prepare()
    files = [journal.write(a_record(a_run(batch=seed + 1))) for seed in range(JOBS)]
    with get_context("spawn").Pool(PROCESSES) as pool:
        where = (tmp_path, server.uri, "at-once")
        logging = pool.starmap_async(log, [(*where, seed) for seed in range(JOBS)], chunksize=1)
        while sum(names(tracker).values()) < JOBS // 4:
            time.sleep(0.1)
        server.kill()
        began = time.monotonic()
        logging.get(timeout=300)
        assert time.monotonic() - began < JOBS / PROCESSES * (PATIENCE_S + 1)
    server.start()
    assert sync(journal, tracker).reason is None
    assert names(tracker) == {file.stem: 1 for file in files}
    assert sync(journal, tracker).line() == ""
