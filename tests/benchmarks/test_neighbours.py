"""What the comparison of GPUs alone and among neighbours says of measurements that are there."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.neighbours import ALONE, OTHER, SAME, SAMPLES, Row, compare, phases, read, report


def row(gpu: str, way: str, number: int, latency_s: float) -> Row:
    return {"gpu": gpu, "point": "llama", "way": way, "round": number, "latency_s": latency_s, "power_w": 500.0}


def test_a_point_that_takes_longer_among_neighbours_is_marked() -> None:
    """On GPU 1 all rounds take a tenth longer together; on GPU 0 they are as alone, whatever the rounds differ by."""
    rows = []
    for number, latency_s in enumerate((2.0, 2.3, 2.6)):
        noise = 1 + 0.001 * (number - 1)
        rows += [row("0", ALONE, number, latency_s), row("0", SAME, number, latency_s * noise)]
        rows += [row("1", ALONE, number, latency_s), row("1", SAME, number, latency_s * noise * 1.1)]
    calm, disturbed = compare(rows)
    assert (calm.gpu, calm.is_disturbed, disturbed.gpu, disturbed.is_disturbed) == ("0", False, "1", True)
    assert disturbed.ratio.estimate == pytest.approx(1.1, rel=1e-4)
    assert disturbed.ratio.low == pytest.approx(1.1 * 0.9975, rel=1e-3)  # t(0.975, 2) = 4.30, 0.001 / sqrt(3)
    assert report([calm, disturbed]).endswith("* 1 of 2: among neighbours another latency than alone")


def test_a_single_round_has_no_interval() -> None:
    assert not compare([row("0", ALONE, 0, 1.0), row("0", SAME, 0, 1.0)])


@pytest.mark.parametrize("processes", [2, 3])
def test_a_round_has_every_point_on_every_gpu_in_every_way(processes: int) -> None:
    seen: dict[tuple[str, int, int], int] = {}
    for phase in phases(processes):
        for process, point in phase.points.items():
            others = {other for number, other in phase.points.items() if number != process}
            if phase.way == ALONE:
                assert not others
            if phase.way == SAME or others == {1 - point}:
                seen[phase.way, process, point] = 1
            if phase.way == ALONE:
                seen[phase.way, process, point] = 1
    assert len(seen) == 3 * processes * 2


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    whole = json.dumps(row("0", OTHER, 0, 1.0))
    (tmp_path / SAMPLES).write_text(f"{whole}\n{whole[:30]}")
    assert read(tmp_path) == [json.loads(whole)]
