import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmark.store.mlflow_tracker import PATIENCE_S, Tracker, _rests_until
from crossover.errors import UserError
from tests.disks import fill
from tests.factories import (
    a_record,
)
from tests.journals import written

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]
SHORT_S = 1.2
"""Longer than a server that refuses needs, and than what counts as slow."""


@pytest.fixture(autouse=True)
def _rested() -> None:
    """No store is left alone for what another test did to it."""
    _rests_until.clear()


@pytest.fixture
def dead_uri() -> str:
    """A port of this machine at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def tarpit_uri() -> Iterator[str]:
    """A server that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as tarpit:
        yield f"http://127.0.0.1:{tarpit.getsockname()[1]}"


@pytest.fixture
def dribble_uri() -> Iterator[str]:
    """A server that answers a byte at a time, so that no read ever times out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()
        worker = threading.Thread(target=dribble, args=(server, over), daemon=True)
        worker.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        worker.join()


def dribble(server: socket.socket, over: threading.Event) -> None:
    with server.accept()[0] as connection, suppress(OSError):
        for letter in itertools.cycle(b"HTTP/1.1 200 OK"):
            if over.wait(0.2):
                return
            connection.send(bytes([letter]))


@pytest.mark.parametrize(
    ("kind", "words"), [("dead", "refused"), ("tarpit", "no answer within"), ("dribble", "no answer within")]
)
def test_a_server_that_fails_a_run_costs_it_seconds_and_nothing_else(
    kind: str, words: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow  # noqa: F401 (its seconds are not the server's)

    monkeypatch.setattr("benchmark.store.mlflow_tracker.PATIENCE_S", SHORT_S)
    tracker = Tracker(request.getfixturevalue(f"{kind}_uri"), "tests", tmp_path)
    file, began = written(tmp_path), time.monotonic()
    reason = tracker.log(a_record(), file)
    assert reason is not None
    assert words in reason
    assert time.monotonic() - began < SHORT_S + 1


def test_a_run_waits_ten_seconds_for_a_server() -> None:
    assert PATIENCE_S == 10


def test_the_run_after_a_server_that_did_not_answer_does_not_wait_again(
    tarpit_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.store.mlflow_tracker.PATIENCE_S", SHORT_S)
    tracker, file = Tracker(tarpit_uri, "tests", tmp_path), written(tmp_path)
    tracker.log(a_record(), file)
    began = time.monotonic()
    assert Tracker(tarpit_uri, "tests", tmp_path).log(a_record(), file) == "it did not answer the run before"
    assert time.monotonic() - began < 1


def test_a_database_on_a_full_disk_is_reported_at_once(tmp_path: Path, full_disk: Path) -> None:
    tracker = Tracker(f"sqlite:///{full_disk}/mlflow.db", "tests", full_disk / "artifacts")
    tracker.prepare()
    fill(full_disk)
    began = time.monotonic()
    reason = tracker.log(a_record(), written(tmp_path))
    assert reason is not None
    assert "full" in reason or "No space" in reason
    assert time.monotonic() - began < PATIENCE_S + 1


def test_a_dead_server_stops_a_sweep_before_it_starts(dead_uri: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"tracking.uri={dead_uri}: the MLflow store does not answer .*: start it"):
        Tracker(dead_uri, "tests", tmp_path).prepare()


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "You are not authenticated"), (403, "Invalid Host header - possible DNS rebinding attack detected")],
)
def test_a_server_that_lets_nobody_in_is_not_called_dead(status: int, words: str, tmp_path: Path) -> None:
    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status, explain=words)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Guard) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match=r"the MLflow server refuses .*MLFLOW_TRACKING_PASSWORD.*--allowed-hosts"):
            Tracker(f"http://127.0.0.1:{server.server_port}", "tests", tmp_path).prepare()
        server.shutdown()
