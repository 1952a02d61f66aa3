"""Break-even of records whose times are set by hand: 8 prompt and 8 output tokens, 2 rows."""

from collections.abc import Sequence
from dataclasses import replace
from math import log, sqrt
from statistics import geometric_mean, stdev

import pytest

from analysis.parity.break_even import BreakEven, break_evens, composed_break_evens
from analysis.parity.timed_pairs import pairs_of
from analysis.statistics.forward_passes.pace import Way
from analysis.statistics.timing import ratio_interval, summarise
from crossover.records.forwards import Forwards
from crossover.records.machine import Verdict, Watched
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName, Rows
from crossover.records.profile import Energy, Limits, Profile
from crossover.records.record import Record, Sample
from crossover.records.run import Run
from crossover.records.settings import Remasking, Weights
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample, an_autoregressive_run

DUAL = a_diffusion(steps=4, block_length=4, cache=Cache(name=CacheName.dual))


def record(run: Run, samples: Sequence[Sample], **changes: object) -> Record:
    measured = a_measurement(samples=tuple(samples), forward_passes=len(samples[0].step_s))
    return a_record(run, measurement=replace(measured, **changes))  # type: ignore[arg-type]


def baseline(*latencies_s: float, run: Run | None = None, **changes: object) -> Record:
    """A prefill that takes a fifth, and tokens that take the rest, each as long."""
    run = run or an_autoregressive_run()
    tokens = run.output_tokens - 1
    samples = [
        a_sample(latency_s=each, prefill_s=each / 5, step_s=(4 * each / 5 / tokens,) * tokens) for each in latencies_s
    ]
    return record(run, samples, **changes)


def whole(*latencies_s: float, steps: int = 4, **changes: object) -> Record:
    samples = [a_sample(latency_s=each, step_s=(each / steps,) * steps) for each in latencies_s]
    return record(a_run(diffusion=a_diffusion(steps=steps)), samples, **changes)


def dual(refresh_s: float, window_s: float) -> Record:
    """Two blocks of a whole canvas and a window each."""
    steps = (refresh_s, window_s) * 2
    forwards = Forwards(computed=(16, 4, 16, 4), written=(4, 4, 4, 4), of_rows=(4, 4))
    samples = [a_sample(latency_s=sum(steps), step_s=steps, forwards=forwards)] * 2
    return record(a_run(diffusion=DUAL), samples)


def only(*records: Record) -> BreakEven:
    (pair,) = pairs_of(records)
    (made,) = break_evens(pair)
    return made


def test_it_is_the_baselines_latency_over_that_of_one_pass() -> None:
    made = only(baseline(6.0, 6.0), whole(8.0, 8.0))
    assert made.forwards.estimate == pytest.approx(6 / (8 / 4))
    assert made.tokens.estimate == pytest.approx(8 / 3)
    assert (made.is_composed, made.processes, made.is_reachable) == (False, 1, True)


def test_its_interval_is_that_of_the_ratio_of_medians() -> None:
    latencies_s = (5.8, 6.0, 6.2, 6.0, 5.9, 7.1), (8.0, 8.1, 7.9, 8.0, 8.2, 7.8)
    noisy = only(baseline(*latencies_s[0]), whole(*latencies_s[1]))
    ratio = ratio_interval(*map(summarise, latencies_s))
    assert ratio is not None
    assert (noisy.forwards.low, noisy.forwards.high) == pytest.approx((4 * ratio.low, 4 * ratio.high))
    assert noisy.forwards.low < 3.0 < noisy.forwards.high
    assert noisy.tokens.low == pytest.approx(8 / noisy.forwards.high)
    assert only(baseline(6.0), whole(8.0)).has_interval is False


def test_replicates_give_the_interval_of_processes() -> None:
    records = [
        replace(each, replicate=index)
        for index, (own, other) in enumerate(((6.0, 8.0), (6.3, 8.2), (5.7, 7.9)))
        for each in (baseline(own, own), whole(other, other))
    ]
    made = only(*records)
    assert made.processes == 3
    assert made.forwards.low < made.forwards.estimate < made.forwards.high


def test_of_several_steps_the_run_nearest_to_the_break_even_counts() -> None:
    made = only(baseline(6.0, 6.0), whole(8.0, 8.0, steps=2), whole(16.0, 16.0, steps=8))
    assert made.forwards.estimate == pytest.approx(6 / (8 / 2))  # 1.5: nearer to 2 steps than 3 is to 8


def test_random_weights_have_one_and_other_texts_are_no_obstacle() -> None:
    random = [
        replace(each, run=replace(each.run, weights=Weights.random, judge=None))
        for each in (baseline(6.0, 6.0, prompts_digest="a"), whole(8.0, 8.0, prompts_digest="b"))
    ]
    assert only(*random).forwards.estimate == pytest.approx(3.0)


def test_a_control_that_differs_forbids_it() -> None:
    slow = baseline(6.0, 6.0)
    assert slow.environment is not None
    other = replace(slow, environment=replace(slow.environment, torch="1.0"))
    assert not pairs_of([other, whole(8.0, 8.0)])
    assert len(pairs_of([other, whole(8.0, 8.0)], allow={"torch"})) == 1


def test_a_dual_cache_is_composed_of_its_two_kinds_of_passes() -> None:
    made = only(baseline(10.0, 10.0), dual(refresh_s=2.0, window_s=0.5))
    # two blocks: 2 (2 + 0.5 (f - 1)) = 10 at f = 7
    assert made.forwards.estimate == pytest.approx(2 * 7)
    assert made.is_composed
    assert made.layout.way is Way.dual


def test_where_a_refresh_alone_takes_too_long_no_policy_reaches_it() -> None:
    made = only(baseline(3.0, 3.0), dual(refresh_s=2.0, window_s=0.5))
    assert made.forwards.estimate == pytest.approx(2 * (1.5 / 2.0))
    assert made.tokens.estimate > made.layout.block
    assert not made.is_reachable


def test_cells_of_the_grid_come_from_passes_of_other_runs() -> None:
    long = {"length": 64}
    windows = Forwards(computed=(64, 32), written=(32, 32), of_rows=(2, 2))
    sample = a_sample(latency_s=3.0, step_s=(2.0, 0.5), forwards=windows)
    cached = a_diffusion(steps=2, block_length=32, cache=Cache(name=CacheName.dual))
    timed = record(a_run(**long, prompt_fraction=0.5, diffusion=cached), [sample])
    (pair,) = pairs_of([baseline(4.0, 4.0, run=an_autoregressive_run(**long)), timed])
    cells = {
        (each.layout.way, each.batch): each for each in composed_break_evens(pair, [Way.whole, Way.dual], [2, 4], [64])
    }
    assert cells[Way.whole, 2].forwards.estimate == pytest.approx(4.0 / 2.0)
    assert cells[Way.dual, 2].forwards.estimate == pytest.approx(1 + (4.0 - 2.0) / 0.5)
    assert cells[Way.whole, 2].is_composed
    assert (Way.whole, 4) not in cells, "nothing says how long four rows take"


def test_each_process_composes_a_cell_of_what_it_timed_itself() -> None:
    processes = [(10.0, 2.0, 0.5), (11.0, 2.2, 0.55), (12.0, 2.0, 0.5)]
    records = [
        replace(each, replicate=index)
        for index, (tokens_s, refresh_s, window_s) in enumerate(processes)
        for each in (baseline(tokens_s), dual(refresh_s, window_s))
    ]
    made = only(*records)
    assert made.processes == 3, "a sample a process is enough"
    # two blocks: 2 (refresh + window (f - 1)) = tokens; the second process is slower in everything by a tenth
    by_process = [14.0, 14.0, 2 * (1 + (6.0 - 2.0) / 0.5)]
    assert made.forwards.estimate == pytest.approx(geometric_mean(by_process))
    logs = [log(each) for each in by_process]
    half = 4.3027 * stdev(logs) / sqrt(3)  # Student's t with two degrees of freedom
    assert log(made.forwards.high / made.forwards.estimate) == pytest.approx(half, rel=1e-4)
    cells = composed_break_evens(next(iter(pairs_of(records))), [Way.whole], [2], [16])
    assert [each.processes for each in cells] == [3], "a cell that no run has, too"


def test_large_batches_repeat_what_full_passes_take() -> None:
    shape = {"length": 8192, "model": replace(a_run().model, context=8192)}
    causal = replace(an_autoregressive_run().model, context=8192)
    steps = (3.0,) * 2
    sample = a_sample(latency_s=6.0, step_s=steps)
    timed = record(a_run(**shape, batch=1, diffusion=a_diffusion(steps=2, block_length=4096)), [sample])
    runs = [an_autoregressive_run(length=8192, model=causal, batch=batch) for batch in (1, 4)]
    (pair,) = pairs_of([timed, *(baseline(24.0, 24.0, run=run) for run in runs)])
    cells = composed_break_evens(pair, [Way.whole], [1, 4], [8192])
    assert [each.forwards.estimate for each in cells] == pytest.approx([24 / 3, 24 / 12])


def limits(floor_s: float, latency_s: float) -> Limits:
    return Limits(
        copy_bytes_per_s=1.0,
        matrix_flop_per_s=1.0,
        flop=1.0,
        bytes=1.0,
        floor_s=floor_s,
        floor_share=floor_s / latency_s,
        matrix_share=0.5,
        copy_share=0.5,
    )


def test_the_limit_and_the_distance_from_it_stand_beside() -> None:
    made = only(baseline(6.0, 6.0, limits=limits(5.4, 6.0)), whole(8.0, 8.0, limits=limits(6.0, 8.0)))
    assert made.beside.least_tokens == pytest.approx(8 / (5.4 / (6 / 4)))
    assert made.beside.baseline_share == pytest.approx(0.9)
    assert made.beside.diffusion_share == pytest.approx(0.75)
    assert made.beside.joule_tokens is None


def test_energy_is_power_times_time() -> None:
    def watts(power: float, latency_s: float) -> Profile:
        energy = Energy(joules=power * 10, seconds=10.0, generations=2, joules_per_token=1.0)
        return Profile(latency_s=latency_s, kinds=(), energy=energy)

    made = only(baseline(6.0, 6.0, profile=watts(300.0, 6.0)), whole(8.0, 8.0, profile=watts(600.0, 8.0)))
    assert made.beside.joule_tokens == pytest.approx(8 / (6 / 2 / 2))  # twice the power: half the forwards


def test_runs_that_choose_otherwise_are_rows_of_their_own_by_their_names() -> None:
    pace = Policy(name=PolicyName.threshold, threshold=0.9)
    changes: dict[str, dict[str, object]] = {
        "random": {"remasking": Remasking.random},
        "quota guidance=1.5": {"guidance_scale": 1.5},
        "threshold=0.9 rows=independent": {"policy": pace, "rows": Rows.independent},
    }
    runs = {name: a_run(diffusion=a_diffusion(**each)) for name, each in changes.items()}
    others = [record(run, [a_sample(latency_s=4.0, step_s=(1.0,) * 4)] * 2) for run in runs.values()]
    (pair,) = pairs_of([baseline(6.0, 6.0), whole(8.0, 8.0), *others])
    made = {each.policy: each.forwards.estimate for each in break_evens(pair)}
    assert made == pytest.approx({"quota": 3.0, **dict.fromkeys(runs, 6.0)})
    (cell,) = composed_break_evens(pair, [Way.whole], [2], [16])
    assert cell.forwards.estimate == pytest.approx(3.0), "the map is of quota"


def test_a_disturbed_run_marks_it() -> None:
    watched = Watched(verdict=Verdict.disturbed, why="busy", labelled=())
    assert only(baseline(6.0, 6.0, watched=watched), whole(8.0, 8.0)).disturbed
    assert not only(baseline(6.0, 6.0), whole(8.0, 8.0)).disturbed


def test_every_pair_of_models_is_told_apart() -> None:
    other = replace(an_autoregressive_run().model, name="second", checkpoint="./second")
    pairs = pairs_of([baseline(6.0), baseline(6.0, run=an_autoregressive_run(model=other)), whole(8.0)])
    assert [each.baseline for each in pairs] == ["causal", "second"]


def test_a_prefix_cache_goes_by_the_mean_of_its_passes_and_is_named() -> None:
    steps = (2.0, 1.0)
    forwards = Forwards(computed=(16, 8), written=(8, 8), of_rows=(2, 2))
    kept = a_diffusion(steps=2, cache=Cache(name=CacheName.prefix))
    samples = [a_sample(latency_s=3.0, step_s=steps, forwards=forwards)] * 2
    made = only(baseline(6.0, 6.0), record(a_run(diffusion=kept), samples))
    assert made.cache == "prefix (lossy)"
    assert made.forwards.estimate == pytest.approx(6 / (3 / 2))


def in_blocks(pass_s: float, keep_s: float, **changes: object) -> Record:
    """Two blocks of 4 after a prompt of 8: each two passes, and one that keeps."""
    settings = a_diffusion(steps=4, block_length=4, blocks=Blocks.sequence, cache=Cache(name=CacheName.exact))
    steps = (0.5, *(pass_s, pass_s, keep_s) * 2)
    forwards = Forwards(computed=(8, *(4,) * 6), written=(0, *(4, 4, 0) * 2), of_rows=(7, 7))
    samples = [a_sample(latency_s=sum(steps), step_s=steps, forwards=forwards)] * 2
    return record(a_run(diffusion=settings), samples, **changes)


def test_a_block_causal_run_pays_its_prompt_once_and_a_pass_more_a_block() -> None:
    (pair,) = pairs_of([baseline(6.5, 6.5), in_blocks(1.0, 1.0)])
    (made,) = break_evens(pair)
    assert (made.layout.way, made.is_composed) == (Way.block_causal, True)
    assert made.forwards.estimate == pytest.approx((6.5 - 0.5) / 1.0 - 2)
    (cell,) = composed_break_evens(pair, Way, [2], [16])
    assert cell.layout == made.layout, "the map takes the blocks that were measured"


def test_power_is_that_of_the_way_of_computing() -> None:
    def watts(power: float) -> Profile:
        energy = Energy(joules=power * 10, seconds=10.0, generations=2, joules_per_token=1.0)
        return Profile(latency_s=1.0, kinds=(), energy=energy)

    records = [baseline(13.0, 13.0, profile=watts(300.0)), in_blocks(1.0, 1.0, profile=watts(600.0))]
    made = only(*records)
    assert made.beside.joule_tokens == pytest.approx(8 / ((13.0 / 2 - 0.5) / 1.0 - 2))
    blind = only(records[0], whole(8.0, 8.0))
    assert blind.beside.joule_tokens is None


def test_runs_of_more_processes_come_before_nearer_and_whole_ones() -> None:
    far = [replace(whole(each, each, steps=8), replicate=index) for index, each in enumerate((16.0, 16.2))]
    tokens = [replace(baseline(each, each), replicate=index) for index, each in enumerate((6.0, 6.1))]
    made = only(*far, *tokens, whole(8.0, 8.0))
    assert made.processes == 2
    assert made.forwards.estimate == pytest.approx(6.05 / 2.0125, rel=1e-3)


def test_whole_runs_come_before_nearer_sampled_ones_of_as_many_processes() -> None:
    random = {"weights": Weights.random, "judge": None}
    nearer, tokens = whole(9.0, 9.0, steps=2), baseline(9.0, 9.0)
    runs = (replace(nearer.run, timed_share=0.5, **random), replace(whole(1.0).run, **random))  # type: ignore[arg-type]
    records = [replace(nearer, run=runs[0]), replace(whole(8.0, 8.0), run=runs[1])]
    made = only(*records, replace(tokens, run=replace(tokens.run, **random)))  # type: ignore[arg-type]
    assert made.forwards.estimate == pytest.approx(9 / (8 / 4))
    assert not made.is_composed


def test_a_shape_without_a_baseline_has_none() -> None:
    longer = record(a_run(length=32, diffusion=a_diffusion(block_length=16)), [a_sample(step_s=(1.0,) * 4)] * 2)
    (pair,) = pairs_of([baseline(6.0, 6.0), whole(8.0, 8.0), longer])
    assert [each.layout.length for each in break_evens(pair)] == [16]


@pytest.mark.parametrize("sampled", ["baseline", "diffusion"])
def test_a_run_that_was_sampled_makes_it_composed(sampled: str) -> None:
    arms = {"baseline": baseline(6.0, 6.0), "diffusion": whole(8.0, 8.0)}
    arms = {
        name: replace(each, run=replace(each.run, weights=Weights.random, judge=None)) for name, each in arms.items()
    }
    assert not only(*arms.values()).is_composed
    arms[sampled] = replace(arms[sampled], run=replace(arms[sampled].run, timed_share=0.5))
    assert only(*arms.values()).is_composed


def test_as_many_passes_as_blocks_are_reachable() -> None:
    made = only(baseline(4.0, 4.0), dual(refresh_s=2.0, window_s=0.5))
    assert (made.layout.blocks, made.is_reachable) == (2, True)
    assert made.forwards.estimate == pytest.approx(2.0)


def test_a_run_of_no_forward_passes_has_none() -> None:
    (pair,) = pairs_of([baseline(6.0, 6.0), whole(8.0, 8.0, forward_passes=0)])
    assert break_evens(pair) == []


def test_times_and_rows_that_cannot_be_are_no_traceback() -> None:
    vast = [a_sample(latency_s=8.0, step_s=(1e308,) * 4)] * 2
    (pair,) = pairs_of([baseline(6.0, 6.0), record(a_run(diffusion=a_diffusion(steps=4)), vast)])
    assert len(break_evens(pair)) == 1
