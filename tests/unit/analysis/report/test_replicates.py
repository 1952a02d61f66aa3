from dataclasses import replace

import pytest

from analysis.report.notes import failures, unclean
from analysis.report.replicates import PROCESSES, by_point, in_grid_order, metrics_of
from analysis.report.terminal_table import table
from analysis.statistics.metrics import metrics
from crossover.records.machine import Verdict, Watched
from crossover.records.record import Record
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    an_autoregressive_run,
)
from tests.terminal import lines


def measured_at(latency_s: float, replicate: int | None, **changes: object) -> Record:
    samples = (a_sample(latency_s=latency_s), a_sample(latency_s=latency_s))
    return a_record(measurement=a_measurement(samples=samples, **changes), replicate=replicate)


FASTEST, MIDDLE, SLOWEST = (measured_at(latency_s, at) for latency_s, at in ((1.0, 1), (2.0, 0), (8.0, 2)))


def test_replicates_are_one_row_with_the_geometric_mean_of_their_medians() -> None:
    (point,) = by_point([FASTEST, MIDDLE, SLOWEST])
    assert point == (MIDDLE, FASTEST, SLOWEST)
    row = metrics_of(point)
    typical = 16 ** (1 / 3)
    assert row["latency/e2e_s"] == pytest.approx(typical)
    assert (row["latency/e2e_p25_s"], row["latency/e2e_p75_s"]) == (1.5, 5.0)
    assert (row[PROCESSES], row["work/samples"]) == (3, 6)
    assert row["throughput/tok_per_s"] == pytest.approx(a_run().batch * a_run().output_tokens / typical)


def test_one_process_keeps_its_own_figures() -> None:
    assert metrics_of((MIDDLE,)) == metrics(MIDDLE) | {PROCESSES: 1}


def test_a_replicate_that_failed_takes_no_row_and_is_named() -> None:
    failed = a_failed_record(replicate=2)
    (point,) = by_point([MIDDLE, failed, FASTEST])
    assert metrics_of(point)[PROCESSES] == 2
    assert failures([MIDDLE, failed]) == [f"{failed.name} (replicate 2): out of memory: too much"]


def test_the_column_of_processes_is_there_where_a_point_has_several() -> None:
    heading, _, row = lines(FASTEST, MIDDLE)
    assert "processes" in heading
    assert row[heading.index("processes") - 1] == "2"  # "latency s" is one column
    alone, _, *rows = lines(a_record(), a_record(a_run(batch=4)))
    assert "processes" not in alone
    assert len(rows) == 2


def test_one_disturbed_replicate_marks_the_row_and_a_point_is_named_once() -> None:
    watched = Watched(verdict=Verdict.disturbed, why="a busy CPU", labelled=())
    disturbed = [measured_at(2.0, replicate, watched=watched) for replicate in (1, 2)]
    assert table([MIDDLE, *disturbed]).row_count == 1
    assert lines(MIDDLE, *disturbed)[2][4] == "2.00*"
    assert unclean([MIDDLE, *disturbed]) == [f"* disturbed: a busy CPU, in {MIDDLE.name}"]
    assert lines(MIDDLE, replace(MIDDLE, replicate=1))[2][4] == "2.00"


def test_records_come_in_the_order_of_the_grid_whatever_was_measured_first() -> None:
    llama = an_autoregressive_run()
    runs = [a_run(batch=batch, diffusion=a_diffusion(steps=steps)) for batch in (2, 1) for steps in (8, 4)]
    records = [a_record(run) for run in (runs[0], replace(llama, batch=2), *runs[1:], replace(llama, batch=1))]
    placed = [(each.run.model.name, each.run.batch, each.run.diffusion is None) for each in in_grid_order(records)]
    small, other = records[0].run.model.name, llama.model.name
    assert placed == [*[(small, batch, False) for batch in (1, 1, 2, 2)], (other, 1, True), (other, 2, True)]
    steps = [each.run.diffusion.steps for each in in_grid_order(records) if each.run.diffusion is not None]
    assert steps == [4, 8, 4, 8]
    assert in_grid_order([SLOWEST, FASTEST]) == [SLOWEST, FASTEST], "replicates stay as they came"
