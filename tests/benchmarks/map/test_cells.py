"""The points of the map, and that each leaves its record before the next begins."""

import math
import time
from itertools import islice
from pathlib import Path

import pytest

from analysis.statistics.forward_passes.composition import Forward, costs
from benchmark.execution.model_cache import ModelCache
from crossover.records.load import find, from_file, read
from crossover.records.record import Record
from tests.benchmarks.map.cells import measure_all, run_of, with_few_layers
from tests.benchmarks.map.composition import agreements
from tests.benchmarks.map.points import LARGE, PART_TOKENS, TINY
from tests.benchmarks.map.publish import merged_costs, steps_of
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample


def test_composed_latencies_are_compared_with_whole_generations_at_twelve_points_or_more() -> None:
    assert len(LARGE.whole) + len(LARGE.cached) + len(LARGE.continued) >= 12


def test_no_canvas_is_timed_twice_as_parts_of_a_larger_batch_but_for_a_check() -> None:
    larger = [(batch, length) for batch, length in LARGE.whole if batch * length > PART_TOKENS]
    assert larger == [(32, 512), (32, 1024)]


def test_points_beyond_the_time_are_left_out_and_named(tmp_path: Path, capsys: object) -> None:
    measure_all(islice(TINY.of_baseline(), 1), tmp_path, end_s=-math.inf)
    assert not list((tmp_path / "records").glob("*.json"))
    assert "left out: model=tiny_llama batch=1" in capsys.readouterr().out  # type: ignore[attr-defined]


def test_a_point_becomes_a_record_once(tmp_path: Path) -> None:
    for _ in range(2):
        measure_all(islice(TINY.of_baseline(), 1), tmp_path, time.monotonic() + 60)
    (record,) = read([from_file(file) for file in find(tmp_path)]).records
    assert record.measurement is not None
    assert record.run.timed_share == 0.02


def test_shapes_are_compiled_on_a_model_of_few_layers(tmp_path: Path) -> None:
    (point,) = islice(TINY.of_diffusion(), 1)
    run = run_of((*point.overrides, "model.architecture=builtin:tiny_llada"))
    assert len(ModelCache().get(with_few_layers(run, tmp_path)).model.llama.model.layers) == 2


def test_a_whole_generation_is_composed_of_the_passes_of_others() -> None:
    def record(steps: int, seconds: float) -> Record:
        sample = a_sample(latency_s=steps * seconds, step_s=(seconds,) * steps)
        run = a_run(diffusion=a_diffusion(steps=steps))
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
