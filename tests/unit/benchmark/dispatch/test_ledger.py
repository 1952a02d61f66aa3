from pathlib import Path

import pytest

from benchmark.dispatch.ledger import new_batch, read_batch, read_sweep, read_sweeps, submitted
from crossover.errors import UserError
from tests.factories import STARTED
from tests.sweeps import RUNS, a_sweep


def test_a_sweep_is_read_as_it_was_written(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    assert read_sweep(tmp_path, "sweep-1") == sweep
    assert [entry.run for entry in sweep.entries] == list(RUNS)
    assert sweep.indices[RUNS[1].key] == 1


def test_a_sweep_whose_folder_was_moved_lies_where_it_is_found(tmp_path: Path) -> None:
    a_sweep(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    (sweep,) = read_sweeps(tmp_path / "after")
    sweep.close()
    assert (tmp_path / "after" / "sweeps" / "sweep-1" / "closed").exists()


def test_parts_keep_their_order_and_learn_the_id_that_the_scheduler_gave(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    files = [sweep.add(new_batch([[index]], STARTED, slurm=True)) for index in range(12)]
    submitted(files[11], "77")
    assert [batch.tasks for _, batch in sweep.batches()] == [((index,),) for index in range(12)]
    assert read_batch(files[11]).of_task(0) == "77_0"
    assert read_batch(files[0]).of_task(0) is None


def test_a_sweep_of_another_version_is_left_out_and_said_to_be_none(tmp_path: Path) -> None:
    a_sweep(tmp_path)
    broken = tmp_path / "sweeps" / "broken"
    broken.mkdir()
    (broken / "sweep.json").write_text('{"id": 1}')
    assert [sweep.id for sweep in read_sweeps(tmp_path)] == ["sweep-1"]
    with pytest.raises(UserError, match="no sweep of this version"):
        read_sweep(tmp_path, "broken")


def test_a_closed_sweep_opens_again_when_more_is_handed_out(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    sweep.close()
    assert sweep.is_closed
    sweep.reopen()
    assert not sweep.is_closed
