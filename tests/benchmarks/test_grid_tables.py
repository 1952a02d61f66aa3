"""Where a cell of a grid's table comes from."""

from dataclasses import replace
from pathlib import Path
from statistics import geometric_mean

import pytest

from benchmark.store.journal import Journal
from crossover.records.record import Record
from crossover.records.settings import Weights
from tests.benchmarks.grid_tables import COMPOSED, SAMPLED, WHOLE, Grid, agreement, main, rows, table
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample, an_autoregressive_run


def diffusion(steps: int, seconds: float, share: float | None = None) -> Record:
    """All passes take as long; a sampled one is made in its first passes alone, which does not matter here."""
    sample = a_sample(latency_s=steps * seconds, step_s=(seconds,) * steps)
    run = a_run(diffusion=a_diffusion(steps=steps), timed_share=share, weights=Weights.random, judge=None)
    return a_record(run, measurement=a_measurement(samples=(sample,), forward_passes=steps))


def baseline(seconds: float) -> Record:
    run = an_autoregressive_run(weights=Weights.random, judge=None)
    return a_record(run, measurement=a_measurement(samples=(a_sample(latency_s=seconds),)))


def test_a_whole_generation_comes_before_others_and_other_steps_are_composed() -> None:
    grid = Grid([diffusion(4, 0.5), baseline(3.0)])
    (shape,) = grid.shapes()
    whole, composed = grid.diffusion(*shape, 4), grid.diffusion(*shape, 8)
    assert whole is not None
    assert composed is not None
    assert (whole.source, composed.source) == (WHOLE, COMPOSED)
    assert (whole.latency.estimate, composed.latency.estimate) == pytest.approx((2.0, 4.0))
    assert grid.diffusion(*shape, 4096) is None, "more steps than tokens"
    last = list(table(grid, (4, 8)))[-1]
    assert last.endswith("| 3 | 2 | 4° | **1.5** | 0.75 |")
    assert [row[4] for row in rows(grid, (4, 8))] == [WHOLE, WHOLE, COMPOSED]


def test_a_sampled_generation_stands_where_there_is_no_whole_one() -> None:
    whole, sampled = diffusion(4, 0.5), diffusion(4, 0.6, share=1.0)
    shape = (whole.run.batch, whole.run.length)
    for records, source in (([sampled], SAMPLED), ([sampled, whole], WHOLE)):
        cell = Grid(records).measured(*shape, 4)
        assert cell is not None
        assert cell.source == source


def test_several_processes_give_measured_and_composed_points_an_interval() -> None:
    seconds = (0.50, 0.51, 0.52)
    records = [replace(diffusion(4, each, share=1.0), replicate=index) for index, each in enumerate(seconds)]
    grid = Grid([*records, diffusion(4, 0.6)])
    (shape,) = grid.shapes()
    for steps, source, each_s in ((4, SAMPLED, seconds), (8, COMPOSED, (0.55, *seconds[1:]))):
        cell = grid.diffusion(*shape, steps)
        assert cell is not None
        assert (cell.source, cell.processes) == (source, 3), "of three processes rather than whole, of one"
        assert cell.latency.estimate == pytest.approx(steps * geometric_mean(each_s))
        assert cell.latency.low < cell.latency.estimate < cell.latency.high


def test_both_ways_to_time_a_point_stand_side_by_side() -> None:
    rows_of_both = list(
        agreement(Grid([diffusion(4, 0.5), diffusion(4, 0.505, share=1.0), diffusion(8, 0.5), baseline(3.0)]))
    )
    (row,) = rows_of_both
    assert row.endswith("| 2.0000 | 2.0200 | +1.0% |")


def test_tables_are_made_of_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(output_dir=tmp_path)
    journal.prepare()
    for record in (diffusion(4, 0.5), baseline(3.0)):
        journal.write(record)
    main([str(tmp_path), "--steps=4", f"--csv={tmp_path / 'grid.csv'}"])
    assert "**1.5**" in capsys.readouterr().out
    assert len((tmp_path / "grid.csv").read_text().splitlines()) == 3
