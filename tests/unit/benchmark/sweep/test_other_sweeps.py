"""A sweep waits for points that another has under way, and for no others."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.dispatch.batches import add_tasks
from benchmark.dispatch.claims import Claim, Claims, this_process
from benchmark.dispatch.context import sweep_context
from benchmark.sweep import other_sweeps
from benchmark.sweep.other_sweeps import OtherSweeps
from crossover.terminal import make_console
from tests.sweeps import a_sweep


def test_it_waits_until_the_last_claim_of_its_points_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    another = a_sweep(tmp_path, id="another")
    add_tasks(another, [[0, 1]], slurm=False)
    taken = [Claims(tmp_path).take(another.entries[index].key, this_process("another")) for index in (0, 1)]
    looks: list[float] = []

    def release_one(seconds: float) -> None:
        looks.append(seconds)
        claim = taken.pop()
        assert isinstance(claim, Claim)
        claim.release()

    monkeypatch.setattr(other_sweeps.time, "sleep", release_one)  # type: ignore[attr-defined]  # as the module has it
    ours = replace(another, id="ours")
    others = OtherSweeps(sweep_context(ours, make_console()))
    assert others.under_way(ours.entries[2:]) == []
    others.wait(ours.entries[2:])
    assert looks == []
    others.wait(ours.entries)
    assert looks == [other_sweeps.LOOK_S] * 2
    assert "2 grid points are under way in another sweep (process" in capsys.readouterr().out
