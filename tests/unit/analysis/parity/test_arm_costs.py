"""What passes cost, from records whose times are set by hand: 8 prompt and 8 output tokens, 2 rows."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from analysis.parity.arm_costs import ArmCosts, arm_costs, continuation, prefill, way_of
from analysis.statistics.forward_passes.composition import Forward, costs
from analysis.statistics.forward_passes.counted_work import Pass
from analysis.statistics.forward_passes.pace import Way
from crossover.records.forwards import Forwards
from crossover.records.policies import Blocks, Cache, CacheName
from crossover.records.profile import Energy, Limits, Profile
from crossover.records.record import Record
from crossover.records.settings import Weights
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_sample, an_autoregressive_run

WHOLE = Forward(4096, 4096, 1)


def timed(**seconds: float) -> ArmCosts:
    """Passes over a whole canvas of 4096 by rows; `kept_N` in generations that keep keys and values."""
    plain = {int(name[5:]): costs([(WHOLE, each)]) for name, each in seconds.items() if name.startswith("plain")}
    kept = {int(name[4:]): costs([(WHOLE, each)]) for name, each in seconds.items() if name.startswith("kept")}
    return ArmCosts(seconds=plain, kept_seconds=kept, work=None, watts={})


def test_a_pass_takes_what_it_took_in_generations_of_its_kind_and_else_in_others() -> None:
    both, plain, kept = timed(plain2=3.0, kept2=4.0), timed(plain2=3.0), timed(kept2=4.0)
    assert [each.one(2, WHOLE) for each in (both, plain, kept)] == [3.0, 3.0, 4.0]
    assert [each.one(2, WHOLE, keeps=True) for each in (both, plain, kept)] == [4.0, 3.0, 4.0]
    with pytest.raises(KeyError):
        timed().one(2, WHOLE)


def test_more_rows_repeat_the_largest_number_that_divides_them_and_fills_a_part() -> None:
    made = timed(plain1=1.0, plain2=2.5, plain4=4.0, plain5=5.0)
    assert made.one(12, WHOLE) == 3 * 4.0
    assert made.one(6, WHOLE) == 3 * 2.5
    with pytest.raises(KeyError):
        made.one(3, WHOLE)  # one row of 4096 fills no part
    with pytest.raises(KeyError):
        made.one(12, Forward(4096, 4097, 1))  # what is kept besides is read by each row


def test_power_runs_straight_over_the_logarithm_of_the_rows() -> None:
    made = replace(timed(), watts={Way.whole: {16: 500.0, 1: 100.0, 4: 300.0}})
    assert [made.power(rows, Way.whole) for rows in (1, 2, 4, 8, 16, 64)] == pytest.approx(
        [100, 200, 300, 400, 500, 500]
    )
    with pytest.raises(KeyError):
        made.power(1, Way.dual)


def test_the_least_time_needs_counted_work() -> None:
    with pytest.raises(KeyError):
        timed().least_s(Pass(rows=1, forward=WHOLE, keeps=False))


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({}, Way.whole),
        ({"cache": Cache(name=CacheName.prefix)}, Way.whole),
        ({"cache": Cache(name=CacheName.dual)}, Way.dual),
        ({"cache": Cache(name=CacheName.dual, refresh=2)}, Way.whole),
        ({"cache": Cache(name=CacheName.exact), "blocks": Blocks.sequence}, Way.block_causal),
    ],
)
def test_a_cache_makes_a_way_of_its_own_where_all_its_passes_are_of_two_kinds(
    changes: dict[str, object], way: Way
) -> None:
    assert way_of(a_run(diffusion=a_diffusion(**changes))) is way
    assert way_of(an_autoregressive_run()) is None


def measured(record: Record, step_s: Sequence[float], **changes: object) -> Record:
    assert record.measurement is not None
    forwards = changes.pop("forwards", None)
    sample = a_sample(step_s=tuple(step_s), prefill_s=changes.pop("prefill_s", None), forwards=forwards)
    return replace(record, measurement=replace(record.measurement, samples=(sample,), **changes))  # type: ignore[arg-type]


def limits(flop: float) -> Limits:
    shares = dict.fromkeys(("floor_share", "matrix_share", "copy_share"), 0.5)
    return Limits(copy_bytes_per_s=1.0, matrix_flop_per_s=1.0, flop=flop, bytes=1.0, floor_s=1.0, **shares)


def test_records_give_their_passes_by_rows_and_by_whether_they_keep() -> None:
    windows = Forwards(computed=(16, 4, 16, 4), written=(4, 4, 4, 4), of_rows=(4, 4))
    cached = a_run(diffusion=a_diffusion(steps=4, block_length=4, cache=Cache(name=CacheName.dual)))
    made = arm_costs(
        [
            measured(a_record(a_run(diffusion=a_diffusion(steps=1))), [5.0]),
            measured(a_record(a_run(batch=1, diffusion=a_diffusion(steps=1))), [3.0]),
            measured(a_record(cached), (6.0, 1.0, 6.0, 1.0), forwards=windows),
        ]
    )
    assert [made.one(rows, Forward(16, 16, 8)) for rows in (1, 2)] == [3.0, 5.0]
    assert made.one(2, Forward(16, 16, 8), keeps=True) == 6.0
    assert made.one(2, Forward(4, 16, 2)) == 1.0
    causal = arm_costs([measured(a_record(an_autoregressive_run()), [0.1] * 7, prefill_s=0.7)])
    assert causal.one(2, prefill(8)) == 0.7


def test_work_is_counted_of_records_that_made_all_their_passes() -> None:
    run = replace(a_run(diffusion=a_diffusion(steps=1)), weights=Weights.random, judge=None)
    whole = measured(a_record(run), [1.0], limits=limits(8.0))
    one = Pass(rows=2, forward=Forward(16, 16, 8), keeps=False)
    found = arm_costs([whole]).work
    assert found is not None
    assert found.least_s(one) == pytest.approx(8.0)
    assert arm_costs([replace(whole, run=replace(run, timed_share=0.5))]).work is None
    assert arm_costs([measured(a_record(run), [1.0])]).work is None
    assert arm_costs([measured(a_record(an_autoregressive_run()), [1.0], limits=limits(8.0))]).work is not None


def test_power_is_the_median_of_the_records_of_a_way() -> None:
    def drawing(watts: float, seconds: float = 2.0) -> Profile:
        energy = Energy(joules=watts * seconds, seconds=seconds, generations=1, joules_per_token=1.0)
        return Profile(latency_s=1.0, kinds=(), energy=energy)

    records = [a_record(a_run(), measurement=a_measurement(profile=drawing(watts))) for watts in (100, 900, 200)]
    records.append(a_record(a_run(), measurement=a_measurement(profile=drawing(0, seconds=0.0))))
    assert arm_costs(records).watts == {Way.whole: {2: 200.0}}


def test_a_continuation_reads_the_prompt_and_then_each_token_but_the_last() -> None:
    passes = continuation(2, 3, 3)
    assert [each.forward for each in passes] == [Forward(3, 3, 1), Forward(1, 4, 1), Forward(1, 5, 1)]
    assert all(each.rows == 2 and each.keeps and each.causal for each in passes)
