from typing import Any

import pytest

from analysis.cli.selection import columns, ordered, selected
from crossover.errors import UserError
from tests.studies import a_sweep


def shape(records: Any) -> list[tuple[Any, Any]]:
    return [(columns(each)["steps"], columns(each)["batch"]) for each in records]


@pytest.mark.parametrize(
    ("conditions", "meant"),
    [
        (["batch=8"], lambda row: row["batch"] == 8),
        (["batch!=8", "steps>=8"], lambda row: row["batch"] != 8 and row["steps"] is not None and row["steps"] >= 8),
        (["model=causal"], lambda row: row["model"] == "causal"),
        (["steps<8"], lambda row: row["steps"] is not None and row["steps"] < 8),
        (["latency/e2e_s > 0.05"], lambda row: row["latency/e2e_s"] > 0.05),
        (["steps <= 8", "batch>1"], lambda row: row["steps"] is not None and row["steps"] <= 8 and row["batch"] > 1),
    ],
)
def test_conditions_keep_the_runs_of_which_all_hold(conditions: list[str], meant: Any) -> None:
    records = a_sweep()
    kept = selected(records, conditions)
    assert kept == [record for record in records if meant(columns(record))]
    assert 0 < len(kept) < len(records)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("stepps=8", "there is no column 'stepps': steps"),
        ("steps", "cannot be read: write COLUMN=VALUE"),
        ("steps>few", "steps is a number, and 'few' is none"),
        ("steps>100000", "no run is so"),
    ],
)
def test_a_condition_that_says_nothing_is_refused_in_a_line(condition: str, said: str) -> None:
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        selected(a_sweep(), [condition])


def test_runs_are_ordered_by_a_column_and_those_without_a_value_come_last() -> None:
    by_steps = [steps for steps, _ in shape(ordered(a_sweep(), "steps"))]
    known = [steps for steps in by_steps if steps is not None]
    assert known == sorted(known)
    assert by_steps == known + [None] * (len(by_steps) - len(known))
    downwards = [steps for steps, _ in shape(ordered(a_sweep(), "steps", largest_first=True))]
    assert downwards == known[::-1] + [None] * (len(by_steps) - len(known))
    names = [columns(each)["model"] for each in ordered(a_sweep(), "model")]
    assert names == sorted(map(str, names))


def test_without_a_column_the_order_stays() -> None:
    records = a_sweep()
    assert ordered(records, None) == records
    with pytest.raises(UserError, match="no column 'lenght'"):
        ordered(records, "lenght")
