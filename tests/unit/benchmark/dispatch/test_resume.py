from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.config.settings import Rerun, Strictness
from benchmark.dispatch.ledger import ExpectedEnvironment
from benchmark.dispatch.resume import ResumePolicy, dominated, has_environment, is_larger
from crossover.records.identifiers import record_name
from crossover.records.machine import Verdict, Watched
from crossover.records.policies import Policy, PolicyName
from crossover.records.record import FailureKind, Record
from tests.factories import (
    STARTED,
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    an_autoregressive_run,
    an_environment,
)

BEFORE = "2026-02-01T00:00:00+00:00"
RETRIED = [kind for kind in FailureKind if not kind.is_result]


def resume_policy(**changes: Any) -> ResumePolicy:
    settings: dict[str, Any] = {
        "sweep": "sweep-2",
        "began": STARTED,
        "rerun": Rerun.none,
        "skip_dominated": False,
        "conditions": ExpectedEnvironment(),
    }
    return ResumePolicy(**(settings | changes))


def earlier(kind: FailureKind | None = None) -> Record:
    return a_record(started_at=BEFORE) if kind is None else a_failed_record(kind=kind, started_at=BEFORE)


@pytest.mark.parametrize(
    ("rerun", "kind", "done"),
    [
        (Rerun.none, None, True),
        (Rerun.none, FailureKind.out_of_memory, True),
        (Rerun.none, FailureKind.infeasible, True),
        (Rerun.failed, None, True),
        (Rerun.failed, FailureKind.out_of_memory, False),
        (Rerun.all, None, False),
        (Rerun.all, FailureKind.out_of_memory, False),
        *[(rerun, kind, False) for rerun in Rerun for kind in RETRIED],
    ],
)
def test_what_is_done_depends_on_how_it_ended_and_on_what_is_asked(
    rerun: Rerun, kind: FailureKind | None, *, done: bool
) -> None:
    assert resume_policy(rerun=rerun).is_done(earlier(kind)) is done


@pytest.mark.parametrize("rerun", Rerun)
def test_what_this_sweep_or_another_measured_since_counts_however_much_is_run_again(rerun: Rerun) -> None:
    assert resume_policy(rerun=rerun).is_done(a_record(started_at=BEFORE, sweep="sweep-2"))
    assert resume_policy(rerun=rerun).is_done(a_record(started_at="2026-03-02T00:00:00+00:00"))


def watched(verdict: Verdict | None, **changes: Any) -> Record:
    verdict_record = None if verdict is None else Watched(verdict=verdict, why=None, labelled=())
    return a_record(measurement=a_measurement(watched=verdict_record), **changes)


@pytest.mark.parametrize(
    ("strict", "counting"),
    [
        (Strictness.off, {Verdict.clean, Verdict.disturbed, Verdict.unknown, None}),
        (Strictness.on, {Verdict.clean}),
        (Strictness.retry, {Verdict.clean, Verdict.unknown, None}),
    ],
)
def test_which_measurements_are_done_depends_on_how_clean_they_must_be(
    strict: Strictness, counting: set[Verdict | None]
) -> None:
    policy = resume_policy(strict=strict)
    assert {verdict for verdict in (*Verdict, None) if policy.is_done(watched(verdict))} == counting


def test_a_disturbed_measurement_is_an_outcome_where_none_is_clean_enough() -> None:
    first, second = (watched(Verdict.disturbed, sweep="sweep-2", started_at=at) for at in (BEFORE, STARTED))
    policy = resume_policy(strict=Strictness.retry)
    assert policy.outcomes([first, second]) == {first.key: second}
    failed = a_failed_record(kind=FailureKind.lost, sweep="sweep-2", started_at="2026-03-02T00:00:00+00:00")
    assert policy.outcomes([first, second, failed]) == {first.key: second}


def test_a_spared_point_is_done_only_while_sparing_is_asked_for() -> None:
    dominated_failure = earlier(FailureKind.dominated)
    assert not resume_policy().is_done(dominated_failure)
    assert resume_policy(skip_dominated=True).is_done(dominated_failure)


def test_a_measurement_is_gone_by_before_a_later_failure() -> None:
    measured, failed = a_record(), a_failed_record(started_at="2026-03-03T00:00:00+00:00")
    assert resume_policy().done([measured, failed]) == {measured.key: measured}


@pytest.mark.parametrize(
    ("expected", "has"),
    [
        (ExpectedEnvironment(), True),
        (ExpectedEnvironment(torch="2.9.0+cpu", python="3.11.0"), True),
        (ExpectedEnvironment(torch="2.10.0"), False),
        (ExpectedEnvironment(transformers="5.11.0"), False),
        (ExpectedEnvironment(crossover="0.2.0"), False),
        (ExpectedEnvironment(cpu="another"), False),
        (ExpectedEnvironment(cpu_threads=2), True),
        (ExpectedEnvironment(cpu_threads=4), False),
    ],
)
def test_a_record_of_other_software_or_another_machine_does_not_count(
    expected: ExpectedEnvironment, *, has: bool
) -> None:
    assert has_environment(a_record(), expected) is has


def test_a_record_counts_by_the_threads_that_its_own_point_would_have() -> None:
    record = a_record()
    threads_of_others = replace(resume_policy(), cpu_threads={"another": 1})
    assert threads_of_others.is_done(record)
    assert replace(resume_policy(), cpu_threads={record.key: 2}).is_done(record)
    assert not replace(resume_policy(), cpu_threads={record.key: 1}).is_done(record)


def test_a_record_of_another_gpu_does_not_count() -> None:
    record = a_record(environment=replace(an_environment(), gpu="NVIDIA H100 80GB HBM3"))
    assert has_environment(record, ExpectedEnvironment(gpu="H100"))
    assert not has_environment(record, ExpectedEnvironment(gpu="A100"))


def test_a_longer_text_is_larger_though_a_policy_that_follows_it_may_take_more_steps() -> None:
    policy = Policy(name=PolicyName.threshold, threshold=0.9)
    short, long = (
        a_run(length=2 * steps, diffusion=a_diffusion(steps=steps, block_length=steps, policy=policy))
        for steps in (8, 16)
    )
    assert is_larger(long, short)


def test_larger_is_a_larger_batch_or_length_and_all_else_the_same() -> None:
    smaller = a_run(batch=2, length=16)
    assert is_larger(a_run(batch=4), smaller)
    assert is_larger(a_run(length=32, diffusion=a_diffusion(block_length=16)), smaller)
    assert not is_larger(smaller, smaller)
    assert not is_larger(a_run(batch=4, length=8, diffusion=a_diffusion(block_length=4)), smaller)
    assert not is_larger(a_run(batch=4, diffusion=a_diffusion(steps=8)), smaller)
    assert not is_larger(an_autoregressive_run(batch=4), smaller)


@given(st.tuples(*[st.integers(1, 4)] * 4))
def test_of_two_points_one_at_most_is_larger(shape: tuple[int, int, int, int]) -> None:
    first, second = a_run(batch=shape[0], repeats=shape[1]), a_run(batch=shape[2], repeats=shape[3])
    assert not (is_larger(first, second) and is_larger(second, first))


def test_what_is_larger_than_a_point_that_ran_out_of_memory_is_dominated_by_it() -> None:
    failed = a_failed_record(a_run(batch=2))
    measured = a_record(a_run(batch=1))
    records = {record.key: record for record in (failed, measured)}
    assert dominated(a_run(batch=4), records.values()) == failed
    assert dominated(a_run(batch=1), records.values()) is None
    infeasible = a_failed_record(a_run(batch=2), kind=FailureKind.infeasible)
    assert dominated(a_run(batch=4), [infeasible]) is None


@pytest.mark.parametrize("rerun", [Rerun.all, Rerun.failed])
def test_a_record_that_was_there_is_not_new_although_the_clock_has_gone_back_since(rerun: Rerun) -> None:
    """By the clock it was made a year after this sweep began."""
    ahead = a_failed_record(started_at="2027-03-01T00:00:00+00:00")
    since = replace(ahead, started_at=BEFORE)  # by another machine, whose clock is behind
    policy = resume_policy(rerun=rerun, earlier=frozenset({record_name(ahead.key, ahead.started_at)}))
    assert not policy.is_done(ahead)
    assert policy.is_done(since)


def test_an_older_measurement_that_was_scored_again_since_is_no_new_one() -> None:
    again = a_record(rescored_from="another")
    assert not resume_policy(rerun=Rerun.all, earlier=frozenset()).is_done(again)
    assert resume_policy(earlier=frozenset()).is_done(again)
