"""A run with `timing=sampled`, from its model to its record and its figures."""

from dataclasses import replace

import pytest

from analysis.report.terminal_table import OTHERS
from analysis.statistics.metrics import metrics
from benchmark.store.mlflow_fields import labels
from crossover.records.run import Run
from crossover.records.settings import Weights
from tests.executing import run_it
from tests.factories import from_json


def sampled(run: Run) -> Run:
    return replace(run, weights=Weights.random, judge=None, encoder=None, timed_share=0.1)


@pytest.mark.parametrize("family", ["diffusion", "autoregressive"])
def test_its_latency_is_composed_and_labelled_everywhere(family: str, request: pytest.FixtureRequest) -> None:
    run = sampled(request.getfixturevalue(family))
    record = run_it(run)
    measured = record.measurement
    assert measured is not None
    for sample in measured.samples:
        assert sample.timed is not None
        assert len(sample.step_s) == len(sample.timed.index) < sample.timed.planned
        low, high = (sample.timed.planned * each(sample.step_s) + (sample.prefill_s or 0.0) for each in (min, max))
        assert low <= sample.latency_s <= high
    assert from_json(record.to_json()) == record
    assert 0 < metrics(record)["work/composed_share"] < 1
    assert metrics(record)["work/forward_passes"] == measured.forward_passes
    assert labels(record)["timing"] == "composed"
    assert OTHERS["timing"](run) == "composed (0.1 timed)"
    assert "timed=0.1" in record.name


def test_the_memory_pass_is_its_last_warm_up(diffusion: Run) -> None:
    run = sampled(replace(diffusion, warmup=2))
    measured = run_it(run).measurement
    assert measured is not None
    assert len(measured.warmup_s) == 2
    assert measured.memory.max_resident_bytes


def test_a_sampled_run_is_another_point_than_a_whole_one(diffusion: Run) -> None:
    whole = replace(sampled(diffusion), timed_share=None)
    assert sampled(diffusion).key != whole.key
