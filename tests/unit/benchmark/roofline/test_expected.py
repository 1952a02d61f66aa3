"""What is expected of a run before anything is loaded."""

from dataclasses import replace

from benchmark.roofline.expected import expected_s
from crossover.records.settings import Device, Engine, Precision, Weights
from tests.factories import a_run


def test_longer_runs_are_told_from_shorter_ones() -> None:
    model = replace(a_run().model, architecture="builtin:llada_8b")
    gpu = {"device": Device.cuda, "precision": Precision.bfloat16, "engine": Engine.eager}
    runs = [a_run(model=model, weights=Weights.random, judge=None, batch=batch, **gpu) for batch in (1, 64)]
    short, long = (expected_s(run) for run in runs)
    assert short is not None
    assert long is not None
    assert short < long


def test_a_run_of_an_unknown_shape_is_expected_to_take_nobody_knows_how_long() -> None:
    assert expected_s(a_run()) is None, "there is no ./small"
