"""The tables of a grid that several processes measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.store.journal import Journal
from crossover.records.machine import Label, LabelCount, Verdict, Watched
from crossover.records.record import FailureKind, Record
from crossover.records.run import Run
from crossover.records.settings import Weights
from tests.benchmarks.grid_processes import apart, by_point, failures, main, rows, speed_ups
from tests.benchmarks.grid_tables import Grid
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    an_autoregressive_run,
)

BASE = an_autoregressive_run(weights=Weights.random, judge=None)
FAST, SLOW = (a_run(diffusion=a_diffusion(steps=steps), weights=Weights.random, judge=None) for steps in (4, 8))


def processes(run: Run, *seconds: float, **of_measurement: object) -> list[Record]:
    """A measurement by each process, of one sample."""
    return [
        a_record(run, replicate=index, measurement=a_measurement(samples=(a_sample(latency_s=each),), **of_measurement))
        for index, each in enumerate(seconds)
    ]


def test_speed_ups_have_intervals_over_processes_and_are_bold_where_these_lie_above_1() -> None:
    records = [*processes(BASE, 2.0, 2.0, 2.02), *processes(FAST, 1.0, 1.01, 1.0), *processes(SLOW, 2.0, 2.01, 1.99)]
    row = list(speed_ups(Grid(records), [BASE.batch], [BASE.length], [4, 8]))[-1]
    assert row.startswith(f"| {BASE.batch} | {BASE.length} | 2.007 [1.978, 2.035] | **2 [")
    assert "| 1.003 [0.9" in row, "parity is not bold"
    missing = list(speed_ups(Grid(records[:3]), [BASE.batch], [BASE.length], [4]))[-1]
    assert missing.endswith("] |  |"), "nothing stands for what is missing"


def test_how_far_processes_lie_apart_is_told_for_each_arm_and_batch() -> None:
    records = [*processes(FAST, 1.0, 1.01, 1.0), *processes(SLOW, 2.0, 2.06, 2.0), *processes(BASE, 3.0)]
    assert list(apart(by_point(records)))[2:] == [f"| LLaDA | {FAST.batch} | 2 | 2.00% | 3.00% |"]


def test_a_row_links_each_process_to_its_record_and_says_what_disturbed_it() -> None:
    watched = Watched(
        verdict=Verdict.disturbed,
        why="busy",
        labelled=(LabelCount(label=Label.power_cap, samples=5), LabelCount(label=Label.busy_cpu, samples=1)),
    )
    first, second = processes(FAST, 1.0, 1.01)
    assert second.measurement is not None
    second = replace(second, measurement=replace(second.measurement, watched=watched, warmup_too_short=True))
    (row,) = list(rows(by_point([second, first]), "to/"))[2:]
    assert row.index("[1](to/") < row.index("[1.01](to/")
    assert row.endswith("| 0 0 | 1: disturbed (busy_cpu in 1); 1: slow first sample |")


def test_records_without_a_measurement_are_linked_with_their_reasons() -> None:
    failed = a_failed_record(kind=FailureKind.interrupted, replicate=1)
    (line,) = failures([*processes(FAST, 1.0), failed], "to/")
    assert line.startswith(f"Not measured: [{failed.title}](to/{failed.key}-r1-")
    assert line.endswith(".json) interrupted.")
    assert not list(failures(processes(FAST, 1.0), "to/"))


def test_links_name_files_that_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(output_dir=tmp_path)
    journal.prepare()
    files = [journal.write(record) for record in processes(FAST, 1.0, 1.01)]
    main([str(tmp_path), "--steps=4", f"--batches={FAST.batch}", f"--lengths={FAST.length}"])
    said = capsys.readouterr().out
    assert all(f"](records/{file.name})" in said for file in files)
