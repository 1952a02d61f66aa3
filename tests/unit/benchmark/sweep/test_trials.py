from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.dispatch.batches import packed
from benchmark.dispatch.ledger import GridPoint, grid_point, read_sweep
from benchmark.sweep.plan import Plan, plan
from benchmark.sweep.trials import in_trials
from crossover.records.run import Run
from tests.factories import a_diffusion, a_run, an_autoregressive_run
from tests.sweeps import a_sweep

INFEASIBLE = a_run(diffusion=a_diffusion(steps=9))


def planned(runs: Sequence[Run]) -> Plan:
    return plan([grid_point(run, ()) for run in runs])


GRID = planned([an_autoregressive_run(), *(a_run(diffusion=a_diffusion(steps=steps)) for steps in (1, 2, 4, 8))])


def told(points: Sequence[GridPoint]) -> str:
    """Each point's steps, A for the baseline."""
    return "".join("A" if point.run.diffusion is None else str(point.run.diffusion.steps) for point in points)


def test_trials_follow_each_other_with_the_arms_among_each_other_and_every_second_one_backwards() -> None:
    trials = in_trials(GRID, 3)
    assert told(trials.points) == "12A48" + "84A21" + "12A48"
    assert [point.replicate for point in trials.points] == [0] * 5 + [1] * 5 + [2] * 5
    assert len({point.replicate_key for point in trials.points}) == 15
    assert {point.key for point in trials.points} == {point.key for point in GRID.points}


def test_one_process_a_point_leaves_the_plan_as_it_is() -> None:
    assert in_trials(GRID, 1) == GRID


def test_points_that_no_machine_can_run_have_no_replicates() -> None:
    trials = in_trials(planned([a_run(), INFEASIBLE]), 2)
    assert [(point.run.infeasible is None, point.replicate) for point in trials.points] == [
        (True, 0),
        (True, 1),
        (False, None),
    ]
    assert trials.repeated == 0


def test_a_job_holds_points_of_one_trial_alone(tmp_path: Path) -> None:
    """At the turn of two trials the same model comes twice, and its last groups would go together."""
    trials = in_trials(GRID, 2, pack=3)
    sweep = replace(a_sweep(tmp_path), entries=trials.points)
    tasks = packed(sweep, range(len(trials.points)), 3)
    assert [told([trials.points[index] for index in task]) for task in tasks] == ["124", "A", "8", "8", "A", "421"]
    assert all(len({trials.points[index].replicate for index in task}) == 1 for task in tasks)


def test_a_ledger_keeps_replicates_and_an_older_one_has_none(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path, entries=in_trials(GRID, 2).points)
    assert read_sweep(tmp_path, sweep.id).entries == sweep.entries
    file = sweep.folder / "sweep.json"
    older = file.read_text().replace(', "replicate": 0', "").replace(', "replicate": 1', "")
    file.write_text(older.replace(', "strict": "false"}', "}"))
    assert {point.replicate for point in read_sweep(tmp_path, sweep.id).entries} == {None}
