import pytest

from benchmark.roofline import estimate as module
from benchmark.roofline.estimate import estimate_run
from crossover.errors import UserError
from tests.factories import a_run


@pytest.mark.parametrize(
    "error",
    [UserError("no such checkpoint"), OSError("disk full"), RuntimeError("out of memory"), ValueError("bad JSON")],
)
def test_an_outlook_never_fails_a_run(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "shape_of_run", failing)
    assert estimate_run(a_run()) is None
