"""Records from a real MLflow server, over HTTP."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.cli.main import main
from analysis.cli.reading.mlflow_source import experiment_sources
from benchmark.store.journal import Journal
from benchmark.store.mlflow_tracker import Tracker
from crossover.records.load import read
from tests.factories import a_failed_record
from tests.studies import a_sweep

STARTING_S = 150
pytestmark = [
    pytest.mark.process,
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a store and artifacts of its own: clients reach either through it alone."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = folder / "log.txt"
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, env=os.environ | quiet, cwd=folder, stdout=output, stderr=output, start_new_session=True
        ) as started,
    ):
        try:
            _wait(f"http://127.0.0.1:{port}/health", started, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(started.pid, 15)
            started.wait(30)


def _wait(address: str, started: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + STARTING_S
    while time.monotonic() < deadline and started.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


def test_the_report_reads_an_experiment_from_a_server(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = Tracker(server, "crossover", tmp_path / "artifacts")
    tracker.prepare()
    records = [*a_sweep(batches=(1,)), a_failed_record()]
    journal = Journal(output_dir=tmp_path)
    journal.prepare()
    assert [tracker.log(record, journal.write(record)) for record in records] == [None] * len(records)

    loaded = read(experiment_sources("crossover", server))
    assert loaded.rejected == ()
    assert {record.key for record in loaded.records} == {record.key for record in records}
    assert all(record in records for record in loaded.records)

    main(["report", "mlflow:crossover", "--tracking-uri", server, "--output", str(tmp_path / "report")])
    assert "At B=1, N=16 small reaches causal's generative perplexity" in capsys.readouterr().out
    assert "out of memory" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")

    with pytest.raises(SystemExit) as ended:
        main(["parity", "mlflow:other", "--tracking-uri", server])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "there is no experiment 'other'" in error
    assert error.count("\n") == 1
