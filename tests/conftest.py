"""What all tests share: checkpoints on disk, which none of them changes."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.checkpoints import write_llada, write_llama
from tests.disks import small_disk


def pytest_collection_finish() -> None:
    """Spare what the imports made from the collections that every run makes: they would take half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the program keeps between runs is not that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a few megabytes, to be filled; it takes root to mount one."""
    try:
        with small_disk(tmp_path / "disk") as disk:
            yield disk
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the compiler out, which takes seconds and changes no token; what is around it stays."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)


@pytest.fixture(scope="session")
def llada(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llada(tmp_path_factory.mktemp("llada"))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"))
