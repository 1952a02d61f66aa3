from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.parity.compare import ChangeVerdict, ComparedSweeps, Comparison, compare, unmatched
from crossover.errors import UserError
from crossover.records.machine import Verdict, Watched
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Device, Weights
from tests.benchmarks.timing_coverage import false_tables
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    a_score,
    an_autoregressive_run,
    an_environment,
)

STEADY = (1.0, 1.01, 1.02, 0.99, 0.98)


def timed(latencies: Sequence[float] = STEADY, run: Run | None = None, **environment: Any) -> Record:
    samples = tuple(a_sample(latency_s=seconds) for seconds in latencies)
    return a_record(
        run,
        measurement=a_measurement(samples=samples),
        environment=replace(an_environment(), **environment),
    )


def only(compared: ComparedSweeps) -> Comparison:
    (point,) = compared.points
    return point


def verdict_on(kind: str, comparison: Comparison) -> ChangeVerdict:
    change = comparison.change(kind)
    assert change is not None
    return change.verdict


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [
        (0.5, ChangeVerdict.faster),
        (2.0, ChangeVerdict.slower),
        (1.001, ChangeVerdict.ambiguous),
        (1.09, ChangeVerdict.ambiguous),
    ],
)
def test_the_verdict_is_of_the_second_sweep_and_beyond_the_margin_of_single_processes(
    factor: float, verdict: ChangeVerdict
) -> None:
    comparison = only(compare([timed()], [timed([factor * s for s in STEADY])]))
    ratio = comparison.change("latency")
    assert ratio is not None
    assert ratio.interval.estimate == pytest.approx(factor)
    assert ratio.interval.low < factor < ratio.interval.high
    assert ratio.verdict is verdict
    assert comparison.name == "small K=4 B=2 N=16"
    assert comparison.processes == (1, 1)
    assert comparison.a_latency_s is not None
    assert comparison.b_latency_s is not None
    assert (comparison.a_latency_s.estimate, comparison.b_latency_s.estimate) == pytest.approx((1.0, factor))


def test_the_margin_is_that_of_the_device_or_the_users() -> None:
    slower = [timed([1.06 * s for s in STEADY])]
    assert verdict_on("latency", only(compare([timed()], slower))) is ChangeVerdict.ambiguous
    assert verdict_on("latency", only(compare([timed()], slower, margin=0.01))) is ChangeVerdict.slower
    gpu = [timed([factor * s for s in STEADY], a_run(device=Device.cuda)) for factor in (1.0, 1.06)]
    assert verdict_on("latency", only(compare(gpu[:1], gpu[1:]))) is ChangeVerdict.slower


def replicated(medians: Sequence[float]) -> list[Record]:
    return [replace(timed([median * s for s in STEADY]), replicate=index) for index, median in enumerate(medians)]


def test_replicates_need_no_margin_and_tell_their_spread() -> None:
    quiet, other = replicated([1.0, 1.002, 0.998, 1.001]), replicated([1.03, 1.032, 1.028, 1.031])
    comparison = only(compare(quiet, other))
    assert comparison.processes == (4, 4)
    assert verdict_on("latency", comparison) is ChangeVerdict.slower
    spread = replicated([1.0, 1.06, 1.03, 1.09])
    assert verdict_on("latency", only(compare(quiet, spread))) is ChangeVerdict.ambiguous
    assert compare(quiet, other).margins == ()


def test_one_sample_cannot_tell() -> None:
    comparison = only(compare([timed([1.0])], [timed([9.0])]))
    assert comparison.change("latency") is None
    assert comparison.verdicts == ()


def test_memory_and_quality_are_compared_as_well() -> None:
    """b holds twice the memory, and each of its texts costs a quarter of a nat a token more."""
    random = np.random.default_rng(0)
    nats = random.normal(3.0, 0.5, 16)
    worse = nats + random.normal(0.25, 0.05, 16)

    def record(rates: np.ndarray, peak: int) -> Record:
        scores = tuple(a_score(prompt_id=f"p{i}", nll_nats=8 * float(rate)) for i, rate in enumerate(rates))
        memory = replace(a_measurement().memory, max_resident_bytes=peak)
        return a_record(measurement=a_measurement(memory=memory, scores=scores))

    comparison = only(compare([record(nats, 100)], [record(worse, 200)]))
    assert verdict_on("memory", comparison) is ChangeVerdict.larger
    assert verdict_on("quality", comparison) is ChangeVerdict.worse
    turned = only(compare([record(worse, 200)], [record(nats, 100)]))
    assert (verdict_on("memory", turned), verdict_on("quality", turned)) == (
        ChangeVerdict.smaller,
        ChangeVerdict.better,
    )
    quality = comparison.change("quality")
    assert quality is not None
    assert quality.interval.estimate == pytest.approx(-0.25, abs=0.05)
    other = random.normal(3.1, 0.5, 16)
    unlike = only(compare([record(nats, 100)], [record(other, 100)])).change("quality")
    assert unlike is not None
    assert unlike.p_value == pytest.approx(stats.ttest_rel(nats, other).pvalue)
    assert only(compare([record(nats, 100)], [record(nats, 104)])).verdicts == ()


def test_a_disturbed_side_is_named() -> None:
    watched = Watched(verdict=Verdict.disturbed, why="CPU busy", labelled=())
    busy = a_record(measurement=a_measurement(watched=watched))
    (disturbance,) = only(compare([a_record()], [busy])).disturbed
    assert (disturbance.arm, disturbance.why) == ("B", "CPU busy")


def test_one_process_on_a_disturbed_machine_gets_no_verdict_on_its_time() -> None:
    """On a busy machine two processes of one point differ by any factor."""
    watched = Watched(verdict=Verdict.disturbed, why="CPU busy", labelled=())
    times = [tuple(a_sample(latency_s=factor * (1 + 0.001 * i)) for i in range(10)) for factor in (1.0, 3.0)]
    clean, slow = (a_record(measurement=a_measurement(samples=each)) for each in times)
    busy = a_record(measurement=a_measurement(samples=times[1], watched=watched))
    assert verdict_on("latency", only(compare([clean], [slow]))) is ChangeVerdict.slower
    assert verdict_on("latency", only(compare([clean], [busy]))) is ChangeVerdict.ambiguous


def test_runs_meet_by_what_they_measure() -> None:
    runs = [a_run(), a_run(diffusion=a_diffusion(steps=2)), a_run(batch=4), an_autoregressive_run()]
    points = compare([timed(run=run) for run in runs], [timed(run=run) for run in reversed(runs)]).points
    assert [point.name for point in points] == [run.name for run in runs]
    assert all(point.a.run == point.b.run for point in points)
    assert unmatched([timed(run=run) for run in runs], [timed(run=run) for run in runs]) == ()


def test_a_control_that_differs_keeps_points_apart_unless_allowed() -> None:
    before, after = [timed(crossover="1.0")], [timed(crossover="1.1")]
    assert compare(before, after).points == ()
    assert unmatched(before, after) == (
        "small K=4 B=2 N=16: crossover is 1.0, there 1.1 in b",
        "small K=4 B=2 N=16: crossover is 1.1, there 1.0 in a",
    )
    assert len(compare(before, after, allow={"crossover"}).points) == 1
    assert unmatched(before, after, allow={"crossover"}) == ()


def test_random_weights_are_timed_beside_random_weights_alone() -> None:
    random = timed(run=a_run(weights=Weights.random, judge=None))
    assert len(compare([random], [random]).points) == 1
    assert compare([random], [timed(run=a_run(judge=None))]).points == ()


def test_points_of_one_sweep_alone_are_named() -> None:
    assert unmatched([timed()], [a_failed_record(a_run())]) == ("small K=4 B=2 N=16: not measured in b",)


def test_an_unknown_control_is_refused() -> None:
    with pytest.raises(UserError, match="allow=colour names no control"):
        compare([], [], allow={"colour"})


@pytest.mark.parametrize("spread", [pytest.param(0.005, marks=pytest.mark.process), 0.02])
def test_tables_of_many_identical_points_seldom_hold_a_verdict(spread: float) -> None:
    """At most 5% of the tables, and two standard errors of 100; four processes a point, which differ by `spread`."""
    assert false_tables(100, points=25, processes=4, spread=spread, seed=1) <= 0.05 + 2 * 0.022


def test_a_run_that_a_second_judge_scored_on_one_side_alone_is_not_called_missing() -> None:
    run = a_run(judge=replace(a_run().judge, checkpoint="./other"))  # type: ignore[type-var]  # it has a judge
    again = replace(timed(), key=run.key, run=run, rescored_from=timed().origin)
    assert unmatched([timed(), again], [timed()]) == ()
    assert unmatched([again], [timed()]) != ()


def test_a_run_that_two_judges_scored_is_two_points_of_different_names() -> None:
    run = a_run(judge=replace(a_run().judge, checkpoint="./other"))  # type: ignore[type-var]  # it has a judge
    both = [timed(), replace(timed(), key=run.key, run=run, rescored_from=timed().origin)]
    assert [point.name for point in compare(both, both).points] == [
        "small K=4 B=2 N=16 judge=./judge float32",
        "small K=4 B=2 N=16 judge=./other float32",
    ]


def test_two_checkpoints_of_one_name_are_points_of_different_names() -> None:
    runs = [a_run(model=replace(a_run().model, checkpoint=each)) for each in ("./one", "./two")]
    both = [timed(run=run) for run in runs]
    assert [point.name for point in compare(both, both).points] == [
        "small (one) K=4 B=2 N=16",
        "small (two) K=4 B=2 N=16",
    ]
