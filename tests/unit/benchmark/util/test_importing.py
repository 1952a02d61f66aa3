import gc
from collections.abc import Iterator

import pytest

from benchmark.util.importing import importing


@pytest.fixture(autouse=True)
def nothing_frozen() -> Iterator[None]:
    frozen = gc.get_freeze_count()
    yield
    if frozen == 0:
        gc.unfreeze()


def test_during_an_import_nothing_is_collected_and_afterwards_what_is_there_is_left_alone() -> None:
    before = gc.get_freeze_count()
    with importing("a_module_that_is_not_there"):
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > before


def test_what_is_imported_already_changes_nothing_since_models_must_be_collected() -> None:
    before = gc.get_freeze_count()
    with importing("gc"):
        assert gc.isenabled()
    assert gc.get_freeze_count() == before
