"""The points of the map, and that each leaves its record before the next begins."""

import math
import time
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import pytest

from analysis.parity.timed_pairs import pairs_of
from analysis.statistics.forward_passes.composition import Forward, costs
from analysis.statistics.forward_passes.pace import Way
from benchmark.execution.model_cache import ModelCache
from crossover.records.load import find, from_file, read
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Weights
from tests.benchmarks.map.cells import chosen, measure_all, run_of, with_few_layers
from tests.benchmarks.map.composition import agreements
from tests.benchmarks.map.points import LARGE, PART_TOKENS, TINY, Point
from tests.benchmarks.map.publish import merged_costs, merged_maps, steps_of
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample

pytestmark = pytest.mark.process  # a hundred runs are composed, which takes many seconds

BASELINE = [point for point in TINY.points() if "model=tiny_llama" in point.overrides]


@cache
def run_at(point: Point) -> Run:
    return run_of(point.overrides)


def test_composed_latencies_are_compared_with_whole_generations_at_twelve_points_or_more() -> None:
    whole = [run for run in map(run_at, chosen(LARGE)) if run.timed_share is None]
    assert len(whole) >= 14


def test_no_point_is_measured_twice_and_what_is_timed_in_part_fits_a_part() -> None:
    runs = [run_at(point) for point in chosen(LARGE)]
    assert len({run.key for run in runs}) == len(runs)
    canvases = [run for run in runs if run.timed_share and run.diffusion and not run.diffusion.cache]
    assert {run.batch * run.length <= PART_TOKENS for run in canvases} == {True}


def test_most_whole_generations_come_before_what_only_fills_the_map() -> None:
    kinds = [run_at(point).timed_share is None for point in chosen(LARGE)]
    assert kinds.index(True) == 1
    assert sum(kinds[:51]) >= 14


def test_points_of_one_model_stand_together() -> None:
    loads = [(run.model.name, run.model.checkpoint) for run in map(run_at, chosen(LARGE))]
    assert sum(one != other for one, other in pairwise(loads)) == 2


def test_whole_generations_come_last_where_they_are_to_and_those_with_energy_first_among_them() -> None:
    points = chosen(LARGE, whole_last=True)
    assert sorted(points, key=str) == sorted(chosen(LARGE), key=str)
    assert [point.is_whole for point in points] == sorted(point.is_whole for point in points)
    whole = [point.energy for point in points if point.is_whole]
    assert whole == sorted(whole, reverse=True)
    assert sum(whole) == 12


def test_a_replicate_is_a_record_of_its_own(tmp_path: Path) -> None:
    for replicate in (None, 1, 1):
        measure_all(chosen(TINY)[:1], tmp_path, time.monotonic() + 60, replicate)
    records = read([from_file(file) for file in find(tmp_path)]).records
    assert sorted((record.replicate for record in records), key=str) == [1, None]
    assert len({record.key for record in records}) == 1


def test_points_beyond_the_time_are_left_out_and_named(tmp_path: Path, capsys: object) -> None:
    measure_all(islice(BASELINE, 1), tmp_path, end_s=-math.inf)
    assert not list((tmp_path / "records").glob("*.json"))
    assert "left out: model=tiny_llama batch=1" in capsys.readouterr().out  # type: ignore[attr-defined]


def test_a_point_becomes_a_record_once(tmp_path: Path) -> None:
    for _ in range(2):
        measure_all(islice(BASELINE, 1), tmp_path, time.monotonic() + 60)
    (record,) = read([from_file(file) for file in find(tmp_path)]).records
    assert record.measurement is not None
    assert record.run.timed_share == 0.02


def test_shapes_are_compiled_on_a_model_of_few_layers(tmp_path: Path) -> None:
    point = next(point for point in TINY.points() if "model=tiny_llada" in point.overrides)
    run = run_of((*point.overrides, "model.architecture=builtin:tiny_llada"))
    assert len(ModelCache().get(with_few_layers(run, tmp_path)).model.llama.model.layers) == 2


def test_a_whole_generation_is_composed_of_the_passes_of_others() -> None:
    def record(steps: int, seconds: float) -> Record:
        sample = a_sample(latency_s=steps * seconds, step_s=(seconds,) * steps)
        share = {} if steps == 8 else {"timed_share": 1.0, "weights": Weights.random, "judge": None}
        run = a_run(diffusion=a_diffusion(steps=steps), **share)
        return a_record(run, measurement=a_measurement(samples=(sample,), forward_passes=steps))

    (row,) = agreements([record(4, 0.5), record(8, 0.4)])
    assert row.whole_s == pytest.approx(8 * 0.4)
    assert row.composed_s == pytest.approx(8 * 0.5)
    assert row.difference == pytest.approx(0.25)


def test_cached_steps_of_another_output_fill_what_records_did_not_time() -> None:
    row = "| dual B=4 N=1024 | 5.67 | **7.78** | 73% | 7.50 | 6.8 | 89.1 | 0.4% | 18.2 | <!-- missed -->"
    steps = list(steps_of(row))
    assert [each[:2] for each in steps] == [(4, Forward(32, 1024, 16)), (4, Forward(1024, 1024, 32))]
    assert [each[2] for each in steps] == pytest.approx([0.00778, 0.0891])
    known = costs([(Forward(32, 512, 16), 0.007), (Forward(1024, 1024, 8), 0.09)])
    merged = merged_costs(known, [each[1:] for each in steps])
    assert merged.one(Forward(32, 768, 16)) == pytest.approx((0.007 + 0.00778) / 2)
    assert merged.one(Forward(1024, 1024, 32)) == pytest.approx(0.09), "the records' own time stays"


def test_a_block_causal_model_of_the_same_size_gives_its_cells_and_its_power(tmp_path: Path) -> None:
    wanted = ("steps=16 warmup=1", "cache=exact", "model=tiny_llama batch=1 length=128")
    points = [point for point in TINY.points() if any(each in " ".join(point.overrides) for each in wanted)]
    measure_all([point for point in points if "batch=1" in point.overrides], tmp_path, time.monotonic() + 60)
    (own,) = merged_maps(pairs_of(read([from_file(file) for file in find(tmp_path)]).records))
    (cell,) = [each for each in own.cells if (each.layout.way, each.layout.length) == (Way.block_causal, 128)]
    assert (own.diffusion, cell.diffusion, cell.cache) == ("tiny_llada", "tiny_llada", "exact (not lossy)")
    assert [each for each in own.rows if each.layout.way is Way.block_causal and each.layout.length == 128] == [cell]
