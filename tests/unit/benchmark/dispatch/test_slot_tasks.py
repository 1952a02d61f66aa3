"""The order of points on several slots, and the task that a free slot takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.dispatch import slot_tasks
from benchmark.dispatch.slot_tasks import OpenTask, by_model, expected_seconds, longest_first, next_task, spread
from tests.factories import a_run
from tests.sweeps import a_sweep


def left(*tasks: tuple[int, float], trial: int = 0, first: int = 0) -> list[OpenTask]:
    """Tasks by their points and seconds."""
    return [
        OpenTask(task=first + number, trial=trial, points=points, seconds=seconds)
        for number, (points, seconds) in enumerate(tasks)
    ]


def test_points_of_one_model_and_one_trial_are_one_task(tmp_path: Path) -> None:
    llada = a_run()
    other = replace(llada, model=replace(llada.model, name="other", checkpoint="./other"))
    runs = tuple(replace(run, batch=batch) for batch in (1, 2) for run in (llada, other))
    sweep = a_sweep(tmp_path, runs)
    assert by_model(sweep, [0, 1, 2, 3]) == [[0, 2], [1, 3]]
    assert by_model(sweep, [3, 0, 2]) == [[0, 2], [3]]
    trials = replace(
        sweep, entries=tuple(replace(each, replicate=index // 2) for index, each in enumerate(sweep.entries))
    )
    assert by_model(trials, [0, 1, 2, 3]) == [[0], [1], [2], [3]]


def test_a_free_slot_takes_a_task_that_no_other_has_and_else_helps_where_most_is_left_for_each() -> None:
    tasks = left((3, 300.0), (5, 500.0))
    assert next_task(tasks, []) == 1
    assert next_task(tasks, [1]) == 0
    assert next_task(tasks, [0, 1]) == 1
    assert next_task(tasks, [0, 1, 1]) == 1, "500 s among three are more than 300 s among two"
    assert next_task(tasks, [0, 1, 1, 1]) == 0
    assert next_task([], [0]) is None


def test_a_task_whose_points_its_processes_will_soon_have_begun_gets_no_other() -> None:
    assert next_task(left((1, 100.0), (2, 200.0)), [0, 1, 1]) is None


def test_the_earliest_trial_comes_first_unless_a_process_would_come_too_late_for_it() -> None:
    later = left((9, 900.0), trial=1, first=1)
    assert next_task([*left((9, 90.0)), *later], [0]) == 0
    assert next_task([*left((9, 20.0)), *later], [0]) == 1
    assert next_task(left((9, 20.0)), [0]) == 0, "the last trial has nothing better"


def test_points_whose_costs_are_not_all_known_count_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = a_sweep(tmp_path)
    assert expected_seconds(sweep, [0, 1, 2]) == {0: 1.0, 1: 1.0, 2: 1.0}, "./small is nowhere"
    monkeypatch.setattr(slot_tasks, "expected_s", lambda run: float(run.batch))
    assert expected_seconds(sweep, [2, 0]) == {0: 1.0, 2: 4.0}


def test_points_are_spread_as_the_slots_would_take_them() -> None:
    """Two tasks: a long one that both slots end up at, and a short one; no slot waits long at the end."""
    seconds = dict(enumerate([50.0, 40.0, 30.0, 20.0, 10.0, 20.0, 20.0]))
    tasks = longest_first([[4, 3, 2, 1, 0], [5, 6]], seconds)
    assert tasks[0] == [0, 1, 2, 3, 4]
    assert spread(tasks, [0, 0], seconds, [5.0, 5.0], 2) == [(3, 105.0), (4, 100.0)]
    assert spread(tasks, [0, 0], seconds, [5.0, 5.0], 1) == [(7, 200.0)]
