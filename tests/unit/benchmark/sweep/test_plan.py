import pytest

from benchmark.dispatch.ledger import GridPoint, grid_point
from benchmark.sweep.plan import exit_code, plan
from crossover.records.record import FailureKind, Record
from crossover.records.run import Run
from tests.factories import a_diffusion, a_failed_record, a_record, a_run, an_autoregressive_run

INFEASIBLE = a_run(diffusion=a_diffusion(steps=9))


def point(run: Run, *overrides: str) -> GridPoint:
    return grid_point(run, overrides)


def test_points_that_differ_in_what_their_model_ignores_are_run_once() -> None:
    planned = plan([point(an_autoregressive_run(), f"steps={steps}") for steps in (16, 32, 64)])
    assert [each.overrides for each in planned.points] == [("steps=16",)]
    assert planned.total == 3


def test_points_of_one_model_come_together_in_the_order_given() -> None:
    runs = [a_run(batch=1), an_autoregressive_run(batch=1), a_run(batch=8), an_autoregressive_run(batch=8)]
    names = [each.name for each in plan([point(run) for run in runs]).points]
    assert names == ["small K=4 B=1 N=16", "small K=4 B=8 N=16", "causal B=1 N=16", "causal B=8 N=16"]


def test_infeasible_points_are_kept_and_not_dispatched() -> None:
    planned = plan([point(INFEASIBLE), point(a_run())])
    assert [each.run for each in planned.dispatched] == [a_run()]
    assert [each.run for each in planned.infeasible] == [INFEASIBLE]
    assert len(planned.points) == 2


def failed(kind: FailureKind) -> Record:
    return a_failed_record(kind=kind)


@pytest.mark.parametrize(
    ("records", "expected", "code"),
    [
        ([a_record()], 1, 0),
        ([a_record(), failed(FailureKind.out_of_memory), failed(FailureKind.infeasible)], 3, 0),
        ([a_record(), failed(FailureKind.dominated)], 2, 0),
        ([a_record(), failed(FailureKind.error)], 2, 1),
        ([a_record(), failed(FailureKind.killed)], 2, 1),
        ([a_record(), failed(FailureKind.timeout)], 2, 1),
        ([a_record()], 2, 1),
        ([failed(FailureKind.infeasible)], 1, 1),
        ([], 0, 1),
        ([a_record(), failed(FailureKind.interrupted)], 2, 130),
        ([failed(FailureKind.error), failed(FailureKind.interrupted)], 3, 130),
        ([a_record(), failed(FailureKind.invalid)], 2, 1),
        ([a_record(), failed(FailureKind.disturbed)], 2, 1),
    ],
)
def test_the_exit_code_says_whether_every_point_came_to_its_end(
    records: list[Record], expected: int, code: int
) -> None:
    assert exit_code(records, expected=expected) == code
