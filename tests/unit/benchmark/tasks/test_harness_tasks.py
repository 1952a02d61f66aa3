"""Task definitions of lm-evaluation-harness, which takes seconds to import."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.tasks.harness_tasks import HARNESS, harness_prompts
from crossover.errors import UserError

pytest.importorskip("lm_eval")
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


def write(folder: Path, name: str, **changes: Any) -> str:
    data = folder / "data.jsonl"
    data.write_text("\n".join(json.dumps({"q": f"{i} + 1 =", "a": str(i + 1)}) for i in range(5)))
    definition = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "Q: {{q}}",
        "doc_to_target": "{{a}}",
        "generation_kwargs": {"until": ["Q:"], "do_sample": False},
        "filter_list": [
            {"name": "last", "filter": [{"function": "regex", "regex_pattern": "([0-9]+)"}, {"function": "take_first"}]}
        ],
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        **changes,
    }
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(definition))
    return f"{HARNESS}{file}"


def test_a_task_gives_prompts_answers_stops_filter_and_measure(tmp_path: Path) -> None:
    first, second = harness_prompts(write(tmp_path, "sums"), 2)
    assert (first.text, first.question.answers) == ("Q: 0 + 1 =", ("1",))
    grades = [second.question.grade(text) for text in (" 2", "it is 3", "none Q: 2")]
    assert [grade.correct for grade in grades] == [1.0, 0.0, 0.0]
    assert [grade.answer for grade in grades[:2]] == ["2", "3"]
    assert "exact_match, last" in second.question.rule


def test_examples_stand_before_a_prompt(tmp_path: Path) -> None:
    (first,) = harness_prompts(write(tmp_path, "shown", num_fewshot=1, fewshot_split="test"), 1)
    assert first.text.endswith("\n\nQ: 0 + 1 =")
    assert first.text.startswith("Q: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_type": "multiple_choice", "doc_to_choice": ["1", "2"], "filter_list": None}, "ranks given answers"),
        ({"unsafe_code": True}, r"runs code that a model wrote: .* --confirm_run_unsafe_code evaluates it"),
        ({"doc_to_text": "{{nothing.at.all}}"}, "its definition cannot be used|its documents cannot be had"),
        ({"dataset_kwargs": {"data_files": {"test": "/no/such/file"}}}, "its documents cannot be had"),
    ],
)
def test_what_cannot_be_timed_is_refused_in_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        harness_prompts(write(tmp_path, "refused", **changes), 2)
    assert "\n" not in str(refused.value)


def test_an_unknown_task_is_told_with_where_to_look() -> None:
    with pytest.raises(UserError, match="the harness has no such task: lm_eval ls tasks lists them"):
        harness_prompts(f"{HARNESS}nosuchtask", 1)
