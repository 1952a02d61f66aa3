import pytest

from benchmark.roofline import estimate as module
from benchmark.roofline.estimate import Estimate, estimate_run, limits
from benchmark.roofline.work import Ceilings, floor_s, passes
from crossover.errors import UserError
from crossover.records.record import Prediction
from tests.factories import a_run
from tests.model_shapes import SMALL


@pytest.mark.parametrize(
    "error",
    [
        UserError("no such checkpoint"),
        OSError("disk full"),
        RuntimeError("out of memory"),
        ValueError("bad JSON"),
        KeyError("n_heads"),
    ],
)
def test_an_outlook_never_fails_a_run(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(module, "shape_of_run", failing)
    assert estimate_run(a_run()) is None


def test_a_run_is_held_against_the_floor_and_both_ceilings_of_its_device() -> None:
    """It took twice the floor; its shares are its work a second over what the device does a second."""
    ceilings = Ceilings(copy_bytes_per_s=1e6, matrix_flop_per_s=1e7)
    known = Estimate(shape=SMALL, ceilings=ceilings, prediction=Prediction(latency_s=1.0, peak_bytes=1))
    works = list(passes(a_run(), SMALL))
    flop, traffic = sum(work.flop for work in works), sum(work.bytes for work in works)
    latency_s = 2 * floor_s(works, ceilings)
    held = limits(a_run(), known, latency_s)
    assert held is not None
    assert (held.flop, held.bytes, held.copy_bytes_per_s, held.matrix_flop_per_s) == (flop, traffic, 1e6, 1e7)
    assert held.floor_s == pytest.approx(latency_s / 2)
    assert held.floor_share == pytest.approx(0.5)
    assert held.matrix_share == pytest.approx(flop / 1e7 / latency_s)
    assert held.copy_share == pytest.approx(traffic / 1e6 / latency_s)
    assert limits(a_run(), None, latency_s) is None
