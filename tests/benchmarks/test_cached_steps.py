from collections.abc import Callable, Iterator

import pytest
import torch

from benchmark.engines.factory import PassFactory
from benchmark.hardware.clock import HostClock
from benchmark.roofline.work import Ceilings, shape_of
from crossover.records.policies import CacheName
from crossover.records.settings import Attention, Engine, Family
from tests.benchmarks import cached_pieces, cached_steps
from tests.benchmarks.cached_rows import ROWS, Place, Row, measured, run_of
from tests.checkpoints import llada_settings, random_model

SMALL = tuple(
    Row(cache=cache, batch=2, length=32, blocks=2, block=8, steps=4, samples=1, is_quick=True)
    for cache in (CacheName.prefix, CacheName.dual)
)


pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture(autouse=True)
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_pieces, "TOKENS", (1, 3))


@pytest.fixture
def place() -> Place:
    return Place(
        factory=PassFactory(random_model(Family.diffusion)),
        shape=shape_of(llada_settings(), parameter_bytes=4),
        ceilings=Ceilings(copy_bytes_per_s=1e9, matrix_flop_per_s=1e9),
        attention=Attention.sdpa,
        clock=HostClock,
        ahead=HostClock,
    )


@pytest.mark.parametrize("row", SMALL, ids=lambda row: row.label)
def test_a_row_times_both_kinds_of_steps(row: Row, place: Place) -> None:
    steps = measured(row, place, run_of(row, place, Engine.compiled))
    assert steps.forwards == row.blocks * row.steps
    assert 0 < steps.floor_ms < steps.whole_ms
    assert steps.cached_ms > 0
    assert steps.generation_ms > steps.cached_ms


def test_every_part_prints_its_lines(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part for part in cached_steps.PARTS if part not in {"check", "tiles"}]
    assert cached_steps.carry_out(cached_steps.tasks(parts, list(SMALL), lambda: place), 1e9), capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    for row in SMALL:
        for start in (f"| {row.label}", f"published, {row.label}", f"waits, {row.label}", f"profile, {row.label}"):
            assert sum(line.startswith(start) for line in lines) == 1, start
        assert any(line.startswith(f"attention, {row.label}") for line in lines)
    assert sum(line.startswith("products, ") for line in lines) == 2


def test_a_row_that_fails_is_said_and_the_next_one_done(capsys: pytest.CaptureFixture[str]) -> None:
    def raising(error: Exception) -> Callable[[], None]:
        def task() -> None:
            raise error

        return task

    def work() -> Iterator[cached_steps.Task]:
        yield "first", raising(torch.OutOfMemoryError("CUDA out of memory"))
        yield "second", raising(ValueError("of another kind"))
        yield "third", lambda: print("done")

    assert not cached_steps.carry_out(work(), 1e9)
    out = capsys.readouterr().out
    assert "first: out of memory\n" in out
    assert "ValueError: of another kind" in out
    assert "done\n" in out


def test_nothing_more_begins_when_the_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert cached_steps.carry_out(iter([("late", lambda: print("done"))]), -1)
    assert "late: left out" in capsys.readouterr().out


def test_the_middle_block_of_a_prefix_is_computed_to_the_end_of_the_canvas() -> None:
    row = next(row for row in ROWS if row.cache is CacheName.prefix)
    assert row.width == 256
    assert row.length == 1024


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_a_run_has_the_rows_shape(row: Row, place: Place) -> None:
    run = run_of(row, place, Engine.compiled)
    assert run.output_tokens == row.output_tokens
    assert run.diffusion is not None
    assert run.diffusion.steps == row.blocks * 8
