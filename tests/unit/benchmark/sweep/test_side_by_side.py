"""How the points of a dry run spread over slots."""

from dataclasses import replace

from benchmark.dispatch.slot_tasks import START_S
from benchmark.sweep.side_by_side import ExpectedPoint, side_by_side
from tests.factories import a_run

MODEL = a_run().model
OTHER = replace(MODEL, name="other")


def points(*seconds: float, loading_s: float = 0.0) -> list[ExpectedPoint]:
    """Points of two models by turns."""
    models = [(MODEL, OTHER)[index % 2] for index in range(len(seconds))]
    return [
        ExpectedPoint(model=model, loading_s=loading_s, seconds=each)
        for model, each in zip(models, seconds, strict=True)
    ]


def test_each_model_has_a_slot_and_is_loaded_there() -> None:
    first, second = side_by_side(points(100.0, 50.0, 10.0, loading_s=7.0), 1, ["GPU 0", "GPU 1"])
    assert (first.slot, first.points, first.seconds) == ("GPU 0", 2, START_S + 7.0 + 110.0)
    assert (second.slot, second.points, second.seconds) == ("GPU 1", 1, START_S + 7.0 + 50.0)


def test_replicates_are_processes_of_their_own() -> None:
    (alone,) = side_by_side(points(100.0, 50.0), 3, ["GPU 0"])
    assert (alone.points, alone.seconds) == (6, 6 * START_S + 3 * 150.0)


def test_more_slots_are_done_sooner_and_nothing_is_done_twice() -> None:
    many = points(*[90.0, 10.0] * 9)
    last_s = []
    for number in (1, 2, 4):
        shares = side_by_side(many, 3, [f"GPU {index}" for index in range(number)])
        assert sum(share.points for share in shares) == 3 * len(many)
        last_s.append(max(share.seconds for share in shares))
    assert last_s[0] > 1.8 * last_s[1] > 1.8**2 * last_s[2]
