from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hydra.core.utils import JobReturn

from benchmark.config.convert import config_of
from benchmark.config.settings import Settings
from benchmark.store.journal import Journal
from benchmark.sweep.driver import Launch, SweepDriver
from benchmark.sweep.plan import Plan, Point
from benchmark.sweep.prepare import common_settings, make_sweep
from crossover.errors import UserError
from crossover.terminal import make_console
from tests.factories import a_record, a_run

POINTS = tuple(Point(run=a_run(batch=batch), overrides=(f"batch={batch}",)) for batch in (1, 2))


def driver(folder: Path, launch: Launch) -> SweepDriver:
    Journal(output_dir=folder).prepare()
    settings = Settings(output_dir=folder, tracking_uri=None, experiment="", sweep="grid", index=0, remote=False)
    planned = Plan(points=POINTS, total=len(POINTS))
    sweep = make_sweep(planned, settings)
    sweep.write()
    return SweepDriver(
        console=make_console(), plan=planned, settings=settings, sweep=sweep, launcher=launch, tracker=None
    )


def test_a_launcher_that_stops_is_told_once_with_its_log_and_not_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = []

    def launch(jobs: Sequence[Sequence[str]], _: int) -> list[JobReturn]:
        launched.append(len(jobs))
        raise RuntimeError("no such\nqueue")

    conducted = driver(tmp_path, launch)
    assert not conducted.launch(POINTS)
    with pytest.raises(SystemExit) as ended:
        conducted.finish(POINTS, interrupted=False)
    assert ended.value.code == 1
    assert launched == [2]
    output = capsys.readouterr().out
    assert output.count("the launcher stopped (RuntimeError: no such queue)") == 1
    assert "2 of 2 grid points have no record" in output
    assert "Traceback" in (conducted.sweep.logs / "launcher.log").read_text(encoding="utf-8")


def test_what_the_launcher_left_without_a_record_is_launched_once_more(tmp_path: Path) -> None:
    launched: list[list[str]] = []

    def launch(jobs: Sequence[Sequence[str]], _: int) -> list[JobReturn]:
        launched.append([job[0] for job in jobs])
        now = datetime.now(UTC).isoformat()
        first = next(point.run for point in POINTS if point.overrides[0] == jobs[0][0])
        Journal(output_dir=tmp_path).write(
            a_record(first, sweep=conducted.sweep.id, environment=None, started_at=now, finished_at=now)
        )
        return []

    conducted = driver(tmp_path, launch)
    assert conducted.launch(POINTS)
    assert launched == [["batch=1", "batch=2"], ["batch=2"]]


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("output_dir=/b", "output_dir is .*/outputs for one point of this sweep and /b for another"),
        ("tracking=none", r"tracking\.uri is sqlite:.* for one point of this sweep and none for another"),
        ("pack=2", "pack is 1 for one point of this sweep and 2 for another"),
        ("detach=true", "detach is false for one point of this sweep and true for another"),
        ("rerun=all", "rerun is none for one point of this sweep and all for another"),
    ],
)
def test_a_setting_of_the_whole_sweep_has_one_value(override: str, complaint: str) -> None:
    assert common_settings([config_of([]), config_of(["batch=2"])]).output_dir == Path("outputs").absolute()
    with pytest.raises(UserError, match=complaint):
        common_settings([config_of([]), config_of([override])])
