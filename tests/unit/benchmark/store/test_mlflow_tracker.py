import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run as TrackedRun

from analysis.statistics.metrics import metrics
from benchmark.store.journal import Journal
from benchmark.store.mlflow_fields import as_markdown, labels, parameters
from benchmark.store.mlflow_tracker import BATCH, PATIENCE_S, Tracker, _rests_until
from crossover.errors import UserError
from crossover.records.machine import Card, Verdict, Watched
from crossover.records.record import FailureKind, Fingerprint, Record, StoppedBy
from crossover.records.settings import Encoder, HeldOut
from tests.disks import fill
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    an_autoregressive_run,
    an_environment,
    from_json,
)

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:The ``noload`` loader strategy:DeprecationWarning"
    ),  # MLflow's, with SQLAlchemy 2.1
]


class Store:
    """A real store in a database file, and a client of its own to look into it."""

    def __init__(self, folder: Path) -> None:
        self.tracker = Tracker(f"sqlite:///{folder}/mlflow.db", "tests", folder / "artifacts")
        self.client: Any = MlflowClient(tracking_uri=self.tracker.uri)
        self.folder = folder
        self.journal = Journal(output_dir=folder)
        self.journal.prepare()
        self.number = count()

    def runs(self) -> list[TrackedRun]:
        experiment = self.client.get_experiment_by_name("tests")
        return list(self.client.search_runs([experiment.experiment_id], max_results=1000))

    def log(self, record: Record) -> TrackedRun:
        """Log the record, under a file name of its own, and find the one run that this added."""
        file = self.journal.folder / f"{record.key}-{next(self.number)}.json"
        file.write_text(record.to_json(), encoding="utf-8")
        before = {run.info.run_id for run in self.runs()}
        assert self.tracker.log(record, file) is None
        (added,) = [run for run in self.runs() if run.info.run_id not in before]
        return added


def written(folder: Path, record: Record | None = None) -> Path:
    """The file of a record in a journal of its own."""
    journal = Journal(output_dir=folder / "outputs")
    journal.prepare()
    return journal.write(record or a_record())


@pytest.fixture(autouse=True)
def _rested() -> None:
    """No store is left alone for what another test did to it."""
    _rests_until.clear()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("store"))
    store.tracker.prepare()
    return store


def test_a_record_becomes_one_run_under_its_name_and_times(store: Store) -> None:
    run = store.log(a_record())
    assert run.info.run_name == "small K=4 B=2 N=16"
    assert run.info.status == "FINISHED"
    assert run.info.end_time - run.info.start_time == 30_000


def test_two_records_of_one_point_become_two_runs(store: Store) -> None:
    first, second = store.log(a_record()), store.log(a_record(sweep="sweep-2"))
    assert first.data.tags["key"] == second.data.tags["key"]
    assert (first.data.tags["sweep"], second.data.tags["sweep"]) == ("sweep-1", "sweep-2")


def test_every_metric_arrives_under_its_own_name(store: Store) -> None:
    logged = store.log(a_record()).data.metrics
    expected = metrics(a_record())
    assert {name: logged[name] for name in expected} == pytest.approx(expected)
    assert logged["latency/e2e_s"] == 3.0
    assert logged["max_memory_reserved"] == 3 * 1024 * 1024
    assert "quality/perplexity" in logged


def test_the_series_arrives_step_by_step(store: Store) -> None:
    samples = (a_sample(step_s=(0.5, 0.25, 0.125)),)
    run = store.log(a_record(measurement=a_measurement(samples=samples)))
    history = store.client.get_metric_history(run.info.run_id, "series/step_s")
    assert sorted((point.step, point.value) for point in history) == [(0, 0.5), (1, 0.25), (2, 0.125)]


def test_a_series_longer_than_one_call_takes_arrives_whole(store: Store) -> None:
    samples = (a_sample(step_s=tuple(float(step) for step in range(BATCH + 5))),)
    run = store.log(a_record(measurement=a_measurement(samples=samples)))
    history = store.client.get_metric_history(run.info.run_id, "series/step_s")
    assert len(history) == BATCH + 5


def test_the_settings_arrive_as_params(store: Store) -> None:
    params = store.log(a_record(a_run(temperature=0.1))).data.params
    shown = {name: params[name] for name in ("model", "steps", "batch", "length", "output_tokens", "temperature")}
    assert shown == {
        "model": "small",
        "steps": "4",
        "batch": "2",
        "length": "16",
        "output_tokens": "8",
        "temperature": "0.1",
    }


def test_the_record_and_the_texts_lie_beside_the_run(store: Store) -> None:
    run = store.log(a_record())
    names = sorted(file.path for file in store.client.list_artifacts(run.info.run_id))
    assert names == ["record.json", "texts.md"]
    (written,) = store.folder.glob(f"artifacts/{run.info.run_id}/**/record.json")
    assert from_json(written.read_text(encoding="utf-8")) == a_record()


def test_a_failed_run_is_there_with_its_reason_and_without_metrics(store: Store) -> None:
    run = store.log(a_failed_record(kind=FailureKind.out_of_memory, message="8 GiB short"))
    assert run.info.status == "FAILED"
    assert (run.data.tags["failure"], run.data.tags["reason"]) == ("out_of_memory", "8 GiB short")
    assert run.data.metrics == {}
    assert run.data.params["batch"] == "2"


def test_a_failure_of_any_length_is_taken(store: Store) -> None:
    run = store.log(a_failed_record(kind=FailureKind.error, message="x" * 20_000))
    assert run.info.status == "FAILED"


def test_an_experiment_that_is_there_is_used_again(store: Store, tmp_path: Path) -> None:
    again = Tracker(store.tracker.uri, "tests", store.folder / "elsewhere")
    again.prepare()
    before = len(store.runs())
    assert again.log(a_record(), written(tmp_path)) is None
    assert len(store.runs()) == before + 1


def test_a_record_is_logged_once_however_often_it_is_sent(store: Store, tmp_path: Path) -> None:
    record = a_record(started_at="2026-03-01T12:00:01+00:00")
    file = written(tmp_path, record)
    before = len(store.runs())
    assert [store.tracker.log(record, file) for _ in range(3)] == [None, None, None]
    assert len(store.runs()) == before + 1


def test_params_leave_out_what_the_run_does_not_have() -> None:
    names = parameters(a_record(an_autoregressive_run(judge=None)))
    assert not {"steps", "block_length", "remasking", "guidance_scale", "judge"} & set(names)
    guided = parameters(a_record(a_run(diffusion=a_diffusion(guidance_scale=0.5))))
    assert (guided["guidance_scale"], guided["remasking"]) == (0.5, "low_confidence")


def test_who_scores_is_a_parameter_each() -> None:
    encoder = Encoder(checkpoint="./encoder", revision=None, layer=2)
    names = parameters(a_record(a_run(encoder=encoder, likelihood=HeldOut(documents=4, samples=2, orders=1))))
    assert (names["judge"], names["encoder"], names["encoder_layer"]) == ("./judge", "./encoder", 2)
    assert (names["likelihood_documents"], names["likelihood_samples"], names["likelihood_orders"]) == (4, 2, 1)
    assert not {"encoder", "encoder_layer", "likelihood", "likelihood_documents"} & parameters(a_record()).keys()


def test_a_record_that_was_scored_again_says_from_which() -> None:
    assert labels(a_record(rescored_from="key-start"))["rescored_from"] == "key-start"
    assert "rescored_from" not in labels(a_record())


def test_labels_say_where_it_ran_and_leave_out_what_is_unknown() -> None:
    tags = labels(a_record())
    assert (tags["host"], tags["cpu_threads"], tags["sweep"]) == ("node", "2", "sweep-1")
    assert not {"gpu", "commit", "failure"} & set(tags)


def test_texts_are_shown_beside_the_authors_own() -> None:
    shown = as_markdown(a_measurement().generated)
    assert "## a\n\n**Prompt:** Él dijo\n\n**Generated:** nada\n\n**Reference:** algo\n\n## b" in shown


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
    """A server that answers a byte a second, so that no read ever times out."""
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
            if over.wait(1):
                return
            connection.send(bytes([letter]))


@pytest.mark.parametrize(
    ("kind", "words"), [("dead", "refused"), ("tarpit", "no answer within"), ("dribble", "no answer within")]
)
def test_a_server_that_fails_a_run_costs_it_seconds_and_nothing_else(
    kind: str, words: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    import mlflow  # noqa: F401 (its seconds are not the server's)

    tracker = Tracker(request.getfixturevalue(f"{kind}_uri"), "tests", tmp_path)
    file, began = written(tmp_path), time.monotonic()
    reason = tracker.log(a_record(), file)
    assert reason is not None
    assert words in reason
    assert time.monotonic() - began < PATIENCE_S + 1


def test_the_run_after_a_server_that_did_not_answer_does_not_wait_again(
    tarpit_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.store.mlflow_tracker.PATIENCE_S", 1.5)
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


def test_a_store_that_breaks_between_two_runs_is_reported(store: Store, tmp_path: Path) -> None:
    tracker = Tracker(store.tracker.uri, "breaks", tmp_path / "artifacts")
    tracker.prepare()
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    reason = tracker.log(a_record(), written(tmp_path))
    assert reason is not None
    assert "artifacts" in reason


def test_labels_have_the_fingerprint_and_the_verdict() -> None:
    card = Card(form="SXM", power_limit_w=400.0)
    environment = replace(an_environment(), variables=("OMP_NUM_THREADS=1", "MKL_X=2"), card=card, dirty=False)
    watched = Watched(verdict=Verdict.disturbed, why="a busy CPU", labelled=())
    tags = labels(
        a_record(
            environment=environment,
            measurement=a_measurement(watched=watched, stopped_by=StoppedBy.budget),
            fingerprint=Fingerprint(config="{}" * 4000, weights_sha256="abc"),
        )
    )
    assert (tags["card.form"], tags["card.power_limit_w"]) == ("SXM", "400.0")
    assert tags["variables"] == "OMP_NUM_THREADS=1 MKL_X=2"
    assert tags["dirty"] == "False"
    assert (tags["verdict"], tags["why"], tags["stopped_by"]) == ("disturbed", "a busy CPU", "budget")
    assert tags["weights_sha256"] == "abc"
    assert len(tags["config"]) == 5000
    assert "revision" not in tags
    assert "card.ecc" not in tags
