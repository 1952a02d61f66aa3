"""What the comparison of GPUs alone and among neighbours says of measurements that are there."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.neighbours import ALONE, HALVES, OTHER, SAME, SAMPLES, Row, compare, phases, read, report


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


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_a_round_has_every_point_on_every_gpu_once_in_every_way(processes: int) -> None:
    seen: list[tuple[str, int, int]] = []
    for phase in phases(processes):
        at_the_other = {point: list(phase.points.values()).count(1 - point) for point in (0, 1)}
        for process, point in phase.points.items():
            assert phase.way != ALONE or len(phase.points) == 1
            assert phase.way != SAME or not at_the_other[point]
            assert phase.way not in {OTHER, HALVES} or at_the_other[point] in {processes // 2, (processes + 1) // 2}
            seen.append((phase.way, process, point))
    assert len(set(seen)) == len(seen) == 3 * processes * 2


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    whole = json.dumps(row("0", OTHER, 0, 1.0))
    (tmp_path / SAMPLES).write_text(f"{whole}\n{whole[:30]}")
    assert read(tmp_path) == [json.loads(whole)]
