"""A real MLflow server on a real PostgreSQL, to be killed and started again on the same store and port."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

STARTED_S = 180.0
POSTGRES = "postgres"
"""PostgreSQL refuses to run as root: its package brings a user."""


def programs() -> Path | None:
    """Where Debian keeps PostgreSQL's programs; the newest of them."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def missing() -> list[str]:
    """The commands that install what a server with PostgreSQL needs and this machine lacks."""
    lacking = [] if programs() else ["apt-get install -y --no-install-recommends postgresql"]
    return lacking + ([] if find_spec("psycopg") else ["pip install 'psycopg[binary]'"])


class Database:
    """A PostgreSQL of its own in a folder, on a port of this machine, with one empty database."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    @property
    def uri(self) -> str:
        """As SQLAlchemy and MLflow want it."""
        return f"postgresql+psycopg://{POSTGRES}@127.0.0.1:{self.port}/mlflow"

    def start(self) -> None:
        """Make and start it."""
        self.folder.mkdir(mode=0o755)
        if not os.geteuid():
            shutil.chown(self.folder, POSTGRES)
        data = str(self.folder / "data")
        self._run("initdb", "--pgdata", data, "--username", POSTGRES, "--auth", "trust", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c unix_socket_directories={self.folder}"
        self._run("pg_ctl", "start", "--wait", "--pgdata", data, "--log", f"{self.folder}/log", "-o", options)
        self._run("createdb", "--host", "127.0.0.1", "--port", str(self.port), "--username", POSTGRES, "mlflow")

    def stop(self) -> None:
        """Stop it."""
        self._run("pg_ctl", "stop", "--mode", "immediate", "--pgdata", str(self.folder / "data"))

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None
        user = ("runuser", "-u", POSTGRES, "--") if not os.geteuid() else ()
        command = (*user, str(folder / program), *arguments)
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"


@dataclass
class Server:
    """`mlflow server` in a process group of its own."""

    folder: Path
    store: str
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def uri(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def begin(self) -> None:
        """Start it, without waiting."""
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", self.store, "--artifacts-destination", str(self.folder / "artifacts")),
            *("--workers", "1"),
        ]
        environment = os.environ | {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "OMP_NUM_THREADS": "1",
        }
        with (self.folder / "server.txt").open("ab") as out:
            self.process = subprocess.Popen(
                command, env=environment, stdout=out, stderr=out, cwd=self.folder, start_new_session=True
            )

    def start(self) -> None:
        """Start it and wait until it answers."""
        if self.process is None:
            self.begin()
        deadline = time.monotonic() + STARTED_S
        while not self.answers():
            assert time.monotonic() < deadline, (self.folder / "server.txt").read_text()[-3000:]
            time.sleep(0.2)

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End it with all its workers, as the kernel would."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def free_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
