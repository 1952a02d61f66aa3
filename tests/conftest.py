"""What all tests share: checkpoints on disk, which none of them changes."""

import gc
from pathlib import Path

import pytest

from tests.checkpoints import write_llada, write_llama


def pytest_collection_finish() -> None:
    """Spare what the imports made from the collections that every run makes: they would take half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def llada(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llada(tmp_path_factory.mktemp("llada"))


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("llama"))
