"""Which points are handed out together, and that their number and order survive on disk."""

from pathlib import Path

import pytest

from benchmark.dispatch.batches import add_batch, add_tasks, find_batches, new_batch, note_job_id, packed, read_batch
from tests.factories import STARTED, a_run, an_autoregressive_run
from tests.sweeps import a_sweep

DIFFUSION = tuple(a_run(batch=batch) for batch in (1, 2, 4))
BASELINE = tuple(an_autoregressive_run(batch=batch) for batch in (1, 2))


@pytest.mark.parametrize(
    ("pack", "tasks"),
    [
        (1, [[0], [1], [2], [3], [4]]),
        (2, [[0, 1], [2], [3, 4]]),
        (9, [[0, 1, 2], [3, 4]]),
    ],
)
def test_points_are_packed_by_the_model_that_they_load(tmp_path: Path, pack: int, tasks: list[list[int]]) -> None:
    assert packed(a_sweep(tmp_path, DIFFUSION + BASELINE), range(5), pack) == tasks


def test_parts_keep_their_order_and_learn_the_id_that_the_scheduler_gave(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    files = [add_batch(sweep, new_batch([[index % 3]], STARTED, slurm=True)) for index in range(12)]
    note_job_id(files[11], "77")
    assert [batch.tasks for batch in find_batches(sweep).batches] == [((index % 3,),) for index in range(12)]
    assert read_batch(files[11]).of_task(0) == "77_0"
    assert read_batch(files[0]).of_task(0) is None


def test_a_closed_sweep_opens_again_when_more_is_handed_out(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    sweep.close()
    assert sweep.is_closed
    add_tasks(sweep, [[0]], slurm=False)
    assert not sweep.is_closed


@pytest.mark.parametrize("index", [-1, 3])
def test_a_batch_of_points_that_the_sweep_does_not_have_is_damaged(tmp_path: Path, index: int) -> None:
    sweep = a_sweep(tmp_path)
    file = add_tasks(sweep, [[0], [2, index]], slurm=False)
    found = find_batches(sweep)
    assert found.batches == ()
    assert found.damaged[0].startswith(f"{file} cannot be read (it names points that the sweep does not have)")
