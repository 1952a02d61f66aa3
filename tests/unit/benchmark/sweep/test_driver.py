from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmark.config.convert import config_of
from benchmark.config.settings import Rerun, Settings, Strictness
from benchmark.dispatch.batches import add_batch, new_batch
from benchmark.dispatch.claims import this_process
from benchmark.dispatch.context import SweepContext, sweep_context
from benchmark.dispatch.ledger import GridPoint, SweepReader, grid_point
from benchmark.dispatch.worker import run_points
from benchmark.execution import pipeline
from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
from benchmark.sweep.common_settings import common_settings
from benchmark.sweep.driver import HandOut, SweepDriver
from benchmark.sweep.other_sweeps import OtherSweeps
from benchmark.sweep.plan import Plan
from benchmark.sweep.prepare import CheckedSweep, driver_of, make_sweep
from crossover.errors import UserError
from crossover.records.identifiers import record_name
from crossover.records.machine import Verdict, Watched
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Device
from crossover.terminal import make_console
from tests.factories import STARTED, a_measurement, a_record, a_run

POINTS = tuple(grid_point(a_run(batch=batch), [f"batch={batch}"]) for batch in (1, 2))


def driver(folder: Path, hand_out: HandOut, points: tuple[GridPoint, ...] = POINTS, **changes: Any) -> SweepDriver:
    Journal(output_dir=folder).prepare()
    settings = Settings(output_dir=folder, tracking_uri=None, experiment="", sweep="grid", remote=False, **changes)
    planned = Plan(points=points, total=len(points))
    sweep = make_sweep(planned, settings)
    sweep.write()
    context = sweep_context(sweep, make_console())
    return SweepDriver(context=context, plan=planned, settings=settings, hand_out=hand_out, tracker=None)


def test_a_launcher_that_stops_is_told_once_with_its_log_and_not_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    launched = []

    def hand_out(_: SweepContext, indices: Sequence[int], __: Settings) -> None:
        launched.append(len(indices))
        raise RuntimeError("no such\nqueue")

    conducted = driver(tmp_path, hand_out)
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
    launched: list[list[int]] = []

    def hand_out(context: SweepContext, indices: Sequence[int], _: Settings) -> None:
        launched.append(list(indices))
        now = datetime.now(UTC).isoformat()
        first = context.sweep.entries[indices[0]].run
        context.records.journal.write(
            a_record(first, sweep=context.sweep.id, environment=None, started_at=now, finished_at=now)
        )

    assert driver(tmp_path, hand_out).launch(POINTS)
    assert launched == [[0, 1], [1]]


@pytest.mark.parametrize(
    ("device", "elsewhere", "shared", "launched"),
    [
        (Device.cpu, False, False, [[1]]),
        (Device.cpu, False, True, [[0, 1]]),
        (Device.cpu, True, False, [[0, 1]]),
        (Device.cuda, False, False, [[0, 1]]),
    ],
)
def test_points_that_another_sweep_has_not_begun_are_shared_where_it_disturbs_nobody(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    device: Device,
    elsewhere: bool,
    shared: bool,
    launched: list[list[int]],
) -> None:
    """On the cores of one machine they are not: one process would disturb the other."""
    points = tuple(grid_point(replace(point.run, device=device), point.overrides) for point in POINTS)
    handed: list[list[int]] = []

    def hand_out(context: SweepContext, indices: Sequence[int], _: Settings) -> None:
        handed.append(list(indices))
        for index in indices:
            now = datetime.now(UTC).isoformat()
            run = context.sweep.entries[index].run
            record = a_record(run, sweep=context.sweep.id, environment=None, started_at=now, finished_at=now)
            context.records.journal.write(record)

    ours = driver(tmp_path, hand_out, points=points)
    theirs = replace(ours.sweep, id="theirs", entries=points[:1])
    theirs.write()
    batch = new_batch([[0]], STARTED, slurm=False, shared=shared)
    add_batch(theirs, replace(batch, host="far", identity=None) if elsewhere else batch)
    monkeypatch.setattr("benchmark.dispatch.point_status.lives", lambda _: True)
    monkeypatch.setattr(OtherSweeps, "wait", lambda *_: None)
    ours.launch(points)
    assert handed[:1] == launched


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("output_dir=/b", "output_dir is .*/outputs for one point of this sweep and /b for another"),
        ("tracking=none", r"tracking\.uri is sqlite:.* for one point of this sweep and none for another"),
        ("pack=2", "pack is 1 for one point of this sweep and 2 for another"),
        ("skip_dominated=true", "skip_dominated is false for one point of this sweep and true for another"),
        ("rerun=all", "rerun is none for one point of this sweep and all for another"),
    ],
)
def test_a_setting_of_the_whole_sweep_has_one_value(override: str, complaint: str) -> None:
    assert common_settings([config_of([]), config_of(["batch=2"])]).output_dir == Path("outputs").absolute()
    with pytest.raises(UserError, match=complaint):
        common_settings([config_of([]), config_of([override])])


def test_all_is_run_again_although_the_clock_has_gone_back_since_it_was_measured(tmp_path: Path) -> None:
    settings = Settings(
        output_dir=tmp_path, tracking_uri=None, experiment="", sweep="grid", remote=True, rerun=Rerun.all
    )
    records = RecordIndex(Journal(output_dir=tmp_path))
    records.journal.prepare()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    records.journal.write(a_record(POINTS[0].run, environment=None, started_at=tomorrow, finished_at=tomorrow))
    launched: list[int] = []

    def hand_out(context: SweepContext, indices: Sequence[int], _: Settings) -> None:
        for index in indices:
            launched.append(index)
            now = datetime.now(UTC).isoformat()
            run = context.sweep.entries[index].run
            context.records.journal.write(a_record(run, sweep="faster", environment=None, started_at=now))

    planned = Plan(points=POINTS, total=len(POINTS))
    checked = CheckedSweep(plan=planned, settings=settings, tracker=None, records=records)
    conducted = driver_of(make_console(), checked, hand_out, search=False)
    assert conducted.launch(POINTS)
    assert launched == [0, 1]
    assert {record.sweep for record in conducted.done(POINTS).values()} == {"faster"}
    (known,) = SweepReader(tmp_path).all()
    assert known.earlier == (record_name(POINTS[0].key, tomorrow),)


def test_disturbed_points_are_measured_again_after_all_others_and_the_last_attempt_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first point gets clean at its second attempt, the second never."""
    rounds: list[list[int]] = []

    def measured(run: Run, *, sweep: str, **_: object) -> Record:
        is_clean = run == POINTS[0].run and len(rounds) > 1
        watched = Watched(verdict=Verdict.clean if is_clean else Verdict.disturbed, why="a busy CPU", labelled=())
        now = datetime.now(UTC).isoformat()
        measurement = a_measurement(watched=watched)
        return a_record(run, sweep=sweep, environment=None, started_at=now, finished_at=now, measurement=measurement)

    def hand_out(context: SweepContext, indices: Sequence[int], _: Settings) -> None:
        rounds.append(list(indices))
        run_points(context, indices, this_process(context.sweep.id))

    monkeypatch.setattr(pipeline, "execute", measured)
    retrying = driver(tmp_path, hand_out, strict=Strictness.retry, retries=3)
    assert retrying.launch(POINTS)
    assert rounds == [[0, 1], [0, 1], [1], [1]]
    kept = retrying.outcomes(POINTS)
    assert [kept[point.replicate_key].attempt for point in POINTS] == [2, 4]
    assert list(retrying.done(POINTS)) == [POINTS[0].key]
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("the machine was disturbed in") == 3
    assert "in 1 of 2 measurements: measuring again, 3 of at most 3 times" in said
    retrying.finish(POINTS, interrupted=False)
    assert "* disturbed: a busy CPU, in small K=4 B=2" in " ".join(capsys.readouterr().out.split())
