"""How long it takes to bring an MLflow store to a journal's state: `python -m tests.benchmarks.sync [RECORDS] [URI]`.

Made-up records in the size of real ones (see report_size) are synchronised with an empty store, then again, when there
is nothing to do. The store is a new database file, or the server at URI.
"""

import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import Tracker
from crossover.records.identifiers import record_name
from tests.benchmarks.report_size import make_records

RECORDS = 1000


def main(records: int, uri: str | None) -> None:
    """Write the records, bring them to the store twice, print what that took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = Journal(output_dir=folder)
        journal.prepare()
        for record in make_records(records):
            file = journal.folder / f"{record_name(record.key, record.started_at)}.json"
            file.write_text(record.to_json(), encoding="utf-8")
        tracker = Tracker(uri or f"sqlite:///{folder}/mlflow.db", f"sync-{time.time_ns()}", folder / "artifacts")
        tracker.prepare()
        print(f"python {platform.python_version()}, mlflow {version('mlflow')}, {'server' if uri else 'database file'}")
        for what in ("an empty store", "again"):
            wall, cpu = time.perf_counter(), time.process_time()
            synced = sync(journal, tracker)
            print(
                f"{what}: {synced.added} logged, {synced.kept} kept, {synced.left} left in"
                f" {time.perf_counter() - wall:.1f} s ({time.process_time() - cpu:.1f} s of CPU time)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS, sys.argv[2] if len(sys.argv) > 2 else None)
