"""A sweep in real processes, with secrets on its command line and around it: none of them is in any file or line."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from tests.programs import ENVIRONMENT, QUICK, records

pytestmark = pytest.mark.process

SECRET = "s3cr3t"
PASSWORD = f"{SECRET}@1"
AROUND = {
    **dict.fromkeys(("NVIDIA_API_KEY", "TORCH_HUB_TOKEN", "TRITON_KEY", "PYTORCH_PASSWORD", "HF_TOKEN"), SECRET),
    "CUDA_MODULE_LOADING": "LAZY",
}


class FakeMlflow(BaseHTTPRequestHandler):
    """As much of MLflow's interface as a sweep needs. It keeps who asked for what, and what arrived."""

    asked: ClassVar[list[tuple[str, str]]] = []
    bodies: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self._answer({"experiment": {"experiment_id": "1", "name": "crossover", "lifecycle_stage": "active"}})

    def do_POST(self) -> None:
        info = {"run_id": "r", "experiment_id": "1", "status": "RUNNING", "artifact_uri": "mlflow-artifacts:/1/r"}
        self._answer({"run": {"info": info, "data": {}}, "runs": [], "run_info": info})

    do_PUT = do_POST

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        """Stay silent."""

    def _answer(self, answer: object) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", "")))
        self.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeMlflow) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("words", [["-m", "steps=2,100", "hardware=isolated"], ["steps=2", "hardware=cpu"]])
def test_no_secret_reaches_a_file_or_a_line_and_every_process_can_log(
    words: list[str], tmp_path: Path, port: int
) -> None:
    settings = [word for word in QUICK if not word.startswith(("tracking", "hardware"))]
    store = ["tracking=server", f"tracking.uri=http://me:{PASSWORD}@127.0.0.1:{port}"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *words, "judge=none", *settings, *store],
        cwd=tmp_path,
        env=ENVIRONMENT | AROUND,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    (measured,) = [record for record in records(tmp_path) if record.measurement is not None]
    assert measured.environment is not None
    assert "CUDA_MODULE_LOADING=LAZY" in measured.environment.variables

    files = [file for file in (tmp_path / "outputs").rglob("*") if file.is_file()]
    assert any(file.name == "sweep.json" for file in files)
    assert [file for file in files if SECRET in file.read_text(errors="replace")] == []
    assert not [body for body in FakeMlflow.bodies if SECRET in body]

    authorised = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert {who for _, who in FakeMlflow.asked} == {authorised}
    assert any("log-batch" in path for path, _ in FakeMlflow.asked)
    assert f"http://127.0.0.1:{port}/#/experiments/1" in done.stdout
