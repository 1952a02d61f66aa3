import math
from dataclasses import replace

from analysis.report.notes import (
    JUDGED_KEY,
    MEMORY_KEY,
    MOST_NAMED,
    column_key,
    failures,
    fallbacks,
    human_line,
    notes,
    profiles,
)
from crossover.records.profile import Energy
from crossover.records.record import FailureKind
from tests.factories import MEMORY_ALONG, a_failed_record, a_measurement, a_profile, a_record, a_score
from tests.studies import a_sweep, profiled

ENERGY = Energy(joules=8.0, seconds=1.0, generations=1, joules_per_token=0.25)


def test_a_profile_is_a_line_of_shares_and_energy() -> None:
    record = a_record()
    assert profiles([record]) == []
    assert profiles([profiled(record)]) == [f"profile of {record.name}: matrix 75%, attention 25%"]
    assert profiles([profiled(record, a_profile(energy=ENERGY))])[0].endswith("attention 25%, 0.25 J a token")
    assert profiles([profiled(record, a_profile(memory=MEMORY_ALONG))])[0].endswith("attention 25%, memory 6 to 8 MiB")
    lines = profiles([profiled(each) for each in a_sweep()])
    assert len(lines) == MOST_NAMED + 1
    assert lines[-1] == f"profiles of {len(a_sweep()) - MOST_NAMED} more are in the report and in MLflow"


def test_headings_are_explained_where_their_columns_are_shown() -> None:
    record = a_record()
    assert record.measurement is not None
    unjudged = replace(record, measurement=replace(record.measurement, scores=()))
    assert column_key([record]) == [f"{MEMORY_KEY}; {JUDGED_KEY}"]
    assert column_key([unjudged]) == [MEMORY_KEY]
    assert column_key([]) == []


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
    assert line == f"another engine ran than asked for (no compiler), in {first.name} and {second.name}"
    assert line in notes(fallen)


def test_a_run_that_was_not_judged_says_why() -> None:
    record = a_record(measurement=a_measurement(quality_failure="no judge"))
    assert failures([record]) == ["small K=4 B=2 N=16: not judged: no judge"]


def test_a_line_for_each_failure_gives_its_reason() -> None:
    failed = a_failed_record(kind=FailureKind.out_of_memory, message="[CUDA] too much")
    assert failures([a_record(), failed]) == ["small K=4 B=2 N=16: out of memory: [CUDA] too much"]


def test_the_human_line_is_said_once_for_alike_figures() -> None:
    judged = a_score(nll_nats=math.log(2) * 8, judge_tokens=4, text_bytes=4)
    read = a_record(measurement=a_measurement(scores=(judged,), human=(judged,)))
    assert human_line([read, read, a_record()]) == ["the documents' true continuations: 2.00 bits/byte, perplexity 4.0"]
