from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from analysis.parity.compare import Verdict, compare, unmatched
from crossover.errors import UserError
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Weights
from tests.benchmarks.coverage import ALARM, false_alarms, sized
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    an_autoregressive_run,
    an_environment,
)
from tests.simulation import resolved

STEADY = (1.0, 1.01, 1.02, 0.99, 0.98)


def timed(latencies: Sequence[float] = STEADY, run: Run | None = None, **environment: Any) -> Record:
    samples = tuple(a_sample(latency_s=seconds) for seconds in latencies)
    return a_record(
        run,
        measurement=a_measurement(samples=samples),
        environment=replace(an_environment(), **environment),
    )


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.5, Verdict.faster), (2.0, Verdict.slower), (1.001, Verdict.ambiguous)]
)
def test_the_verdict_is_of_the_second_sweep(factor: float, verdict: Verdict) -> None:
    (found,) = compare([timed()], [timed([factor * s for s in STEADY])])
    assert found.ratio is not None
    assert found.ratio.estimate == pytest.approx(factor)
    assert found.ratio.low < factor < found.ratio.high
    assert found.verdict is verdict
    assert found.name == "small K=4 B=2 N=16"
    assert (found.a_latency_s.estimate, found.b_latency_s.estimate) == pytest.approx((1.0, factor))


def test_one_sample_cannot_tell() -> None:
    (found,) = compare([timed([1.0])], [timed([9.0])])
    assert (found.ratio, found.verdict) == (None, Verdict.ambiguous)


def test_runs_meet_by_what_they_measure() -> None:
    runs = [a_run(), a_run(diffusion=a_diffusion(steps=2)), a_run(batch=4), an_autoregressive_run()]
    found = compare([timed(run=run) for run in runs], [timed(run=run) for run in reversed(runs)])
    assert [point.name for point in found] == [run.name for run in runs]
    assert all(point.a.run == point.b.run for point in found)
    assert unmatched([timed(run=run) for run in runs], [timed(run=run) for run in runs]) == ()


def test_a_control_that_differs_keeps_points_apart_unless_allowed() -> None:
    before, after = [timed(crossover="1.0")], [timed(crossover="1.1")]
    assert compare(before, after) == ()
    assert unmatched(before, after) == (
        "small K=4 B=2 N=16: crossover is 1.0, there 1.1 in b",
        "small K=4 B=2 N=16: crossover is 1.1, there 1.0 in a",
    )
    assert len(compare(before, after, allow={"crossover"})) == 1
    assert unmatched(before, after, allow={"crossover"}) == ()


def test_random_weights_are_timed_beside_random_weights_alone() -> None:
    random = timed(run=a_run(weights=Weights.random, judge=None))
    assert len(compare([random], [random])) == 1
    assert compare([random], [timed(run=a_run(judge=None))]) == ()


def test_points_of_one_sweep_alone_are_named() -> None:
    assert unmatched([timed()], [a_failed_record(a_run())]) == ("small K=4 B=2 N=16: not measured in b",)


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(UserError, match="allow=colour names no control"):
        compare([], [], allow={"colour"})


@pytest.mark.parametrize("samples", [3, 5, 10])
def test_identical_sweeps_are_seldom_called_different(samples: int) -> None:
    """At most 5% of the points, and two standard errors of 600 points."""
    assert false_alarms(sized(resolved, 4, samples), sweeps=100, seed=samples).share(ALARM) <= 0.068
