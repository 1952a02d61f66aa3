"""One lab, one whole sweep to take records from, one store, for all faults; the table of what came of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.slurm import servers
from tests.slurm.lab import Lab, missing
from tests.slurm.servers import Database, Server, free_port
from tests.slurm.sweeps import POINTS, Study
from tests.slurm.table import Table

REQUIRED = "CROSSOVER_SLURM"
"""When this is set, as in continuous integration, a machine without SLURM fails instead of passing by."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", type=Path, metavar="FILE", help="write the table of what came of each fault")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """These tests run only when they are asked for: they start daemons, and take minutes."""
    if "slurm" not in config.option.markexpr:
        items[:] = [item for item in items if item.get_closest_marker("slurm") is None]


def need(what: str, lacking: list[str]) -> None:
    """Pass by, or fail where it must not be missed."""
    if not lacking:
        return
    line = f"{what} is not here: {' && '.join(lacking)}"
    if os.environ.get(REQUIRED):
        pytest.fail(line)
    pytest.skip(line)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    need("SLURM", missing())
    lab = Lab.start(tmp_path_factory.mktemp("lab") / "slurm")
    try:
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="session")
def forgetful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cluster without accounting that forgets its jobs at once."""
    need("SLURM", missing())
    lab = Lab.start(tmp_path_factory.mktemp("forgetful") / "slurm", accounting=False)
    try:
        yield lab
    finally:
        lab.stop()


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="session")
def whole(lab: Lab, uri: str, _server: Server, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A sweep that nothing happened to."""
    study = Study(lab=lab, folder=tmp_path_factory.mktemp("whole"), uri=uri, experiment="whole")
    study.plan.mkdir()
    driver = study.start()
    driver.wait(300)
    assert driver.process.returncode == 0, driver.said
    assert sum(study.measured().values()) == POINTS
    return study


@pytest.fixture(scope="session")
def _server() -> Iterator[Server]:
    """Not below pytest's own folder, which is nobody's but its user's: PostgreSQL runs as another."""
    need("PostgreSQL", servers.missing())
    with TemporaryDirectory(prefix="crossover-server-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        database = Database(folder / "database", free_port())
        database.start()
        server = Server(folder=folder, store=database.uri, port=free_port())
        try:
            server.begin()
            yield server
        finally:
            server.kill()
            database.stop()


@pytest.fixture
def server(_server: Server) -> Server:
    """A server that answers. It has been starting since the first of the tests, since that takes half a minute."""
    _server.start()
    return _server


@pytest.fixture
def study(lab: Lab, uri: str, whole: Study, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Study]:
    """A sweep of which the first points are done."""
    made = Study(lab=lab, folder=tmp_path, uri=uri, experiment=request.node.name)
    made.prepare(whole.journal.folder)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Rows are added by the tests; the table goes where `--faults` says."""
    table = Table()
    yield table
    if (index := request.config.getoption("--faults", None)) is not None:
        table.write(index)
