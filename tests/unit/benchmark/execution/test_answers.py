import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.statistics.metrics import metrics
from crossover.records.record import FailureKind
from crossover.records.run import Run
from crossover.records.settings import Engine, Prompts
from tests.executing import failure, measurement, run_it
from tests.factories import from_json

ANSWERS = ("w3 w4 w5 w6 w7 w8", "w9", "w5 w5 w5")


@pytest.fixture
def asked(tmp_path: Path) -> Prompts:
    """Prompts of 6, 1 and 3 tokens."""
    file = tmp_path / "questions.jsonl"
    entries = [{"prompt": each, "answer": "w3", "rule": "contains"} for each in ANSWERS]
    file.write_text("\n".join(map(json.dumps, entries)))
    return Prompts(source=str(file), count=3)


def asking(run: Run, asked: Prompts, **changes: object) -> Run:
    return replace(run, prompts=asked, judge=None, encoder=None, likelihood=None, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("engine", [Engine.eager, Engine.published])
@pytest.mark.parametrize("arm", ["diffusion", "autoregressive"])
def test_padding_changes_no_token_of_a_prompt(
    request: pytest.FixtureRequest, asked: Prompts, arm: str, engine: Engine
) -> None:
    run = asking(request.getfixturevalue(arm), asked, engine=engine)
    together = measurement(replace(run, batch=3))
    alone = measurement(replace(run, batch=1))
    assert [each.tokens for each in together.generated] == [each.tokens for each in alone.generated]
    assert [each.prompt_tokens for each in alone.generated] == [6, 1, 3]
    roomier = replace(run, batch=1, length=run.length + 8, prompt_fraction=(run.prompt_tokens + 8) / (run.length + 8))
    assert roomier.output_tokens == run.output_tokens
    assert [each.tokens for each in measurement(roomier).generated] == [each.tokens for each in alone.generated]


def test_a_record_holds_each_answer_and_whether_it_is_right(autoregressive: Run, asked: Prompts) -> None:
    record = from_json(run_it(asking(autoregressive, asked)).to_json())
    assert record.measurement is not None
    for text, score in zip(record.measurement.generated, record.measurement.scores, strict=True):
        assert (text.answers, text.rule, text.reference) == (("w3",), "contains", "w3")
        assert score.correct == float("w3" in text.continuation.split())
        assert score.answered == ("w3" if score.correct else None)
    right = [score.correct for score in record.measurement.scores]
    assert metrics(record)["quality/accuracy"] == pytest.approx(sum(filter(None, right)) / 3)
    assert record.measurement.human == ()


def test_a_prompt_without_room_is_a_point_that_cannot_be_run(diffusion: Run, asked: Prompts) -> None:
    found = failure(asking(diffusion, asked, length=12, prompt_fraction=0.34))
    assert found.kind is FailureKind.infeasible
    assert "has 6 tokens, and length and prompt_fraction leave 4 for a prompt" in found.message
