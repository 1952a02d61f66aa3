from dataclasses import replace

from analysis.report.figures.profile import draw_profile
from analysis.report.notes import fallbacks, notes, profiles
from analysis.report.points import Point
from analysis.report.terminal_table import MOST_NAMED
from crossover.records.profile import Energy, KernelTime, MemoryPoint, Profile
from crossover.records.record import Record
from tests.factories import a_record
from tests.studies import a_sweep

KINDS = (KernelTime(kind="matrix", seconds=0.3, calls=3), KernelTime(kind="attention", seconds=0.1, calls=1))
ENERGY = Energy(joules=8.0, seconds=1.0, generations=1, joules_per_token=0.25)
MIB = 2**20
ALONG = (
    MemoryPoint(at_s=0.0, reserved_bytes=9 * MIB, weights_bytes=5 * MIB, cache_bytes=0, rest_bytes=MIB),
    MemoryPoint(at_s=0.4, reserved_bytes=9 * MIB, weights_bytes=5 * MIB, cache_bytes=2 * MIB, rest_bytes=MIB),
)


def profiled(record: Record, **given: object) -> Record:
    assert record.measurement is not None
    profile = Profile(latency_s=0.4, kinds=KINDS, **given)  # type: ignore[arg-type]
    return replace(record, measurement=replace(record.measurement, profile=profile))


def test_a_profile_is_a_line_of_shares_and_energy() -> None:
    record = a_record()
    assert profiles([record]) == []
    assert profiles([profiled(record)]) == [f"profile of {record.name}: matrix 75%, attention 25%"]
    assert profiles([profiled(record, energy=ENERGY)])[0].endswith("attention 25%, 0.25 J a token")
    assert profiles([profiled(record, memory=ALONG)])[0].endswith("attention 25%, memory 6 to 8 MiB")
    lines = profiles([profiled(each) for each in a_sweep()])
    assert len(lines) == MOST_NAMED + 1
    assert lines[-1] == f"profiles of {len(a_sweep()) - MOST_NAMED} more are in the report and in MLflow"


def test_a_fallback_is_said_once_for_all_runs_of_one_reason() -> None:
    first, second, *_ = a_sweep()
    assert first.measurement is not None
    assert second.measurement is not None
    fallen = [
        replace(each, measurement=replace(each.measurement, fallback="no compiler"))
        for each in (first, second)
        if each.measurement
    ]
    (line,) = fallbacks(fallen)
    assert line == f"another engine ran than asked for (no compiler), in {first.name}, {second.name}"
    assert line in notes(fallen)


def test_the_figure_of_profiles_has_a_bar_a_run_and_memory_where_it_was_recorded() -> None:
    points = [Point(each) for each in a_sweep()]
    assert draw_profile(points) is None
    drawing = draw_profile([Point(profiled(each.record)) for each in points])
    assert drawing is not None
    assert len(drawing.figure.axes) == 1
    assert len(drawing.figure.axes[0].patches) == 2 * len(points)
    assert "matrix 75%" in drawing.alt
    with_memory = draw_profile([Point(profiled(points[0].record, memory=ALONG)), Point(profiled(points[1].record))])
    assert with_memory is not None
    _, strips = with_memory.figure.axes
    assert len(strips.collections) == 3, "weights, cache and rest of the run that has them"
    assert [text.get_text() for text in strips.texts] == ["0.00781 GiB"]
