import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from benchmark.decoders.prompts import Prompt
from benchmark.decoders.prompts_check import check_prompts
from benchmark.decoders.questions import holds_questions, read_questions, read_shots
from benchmark.models.loading import load_tokenizer
from crossover.errors import InfeasibleError, UserError
from crossover.records.run import Run
from crossover.records.settings import HeldOut, Prompts, Weights
from tests.checkpoints import write_llada
from tests.factories import a_run


@pytest.fixture(scope="module")
def tokenizer(llada: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(llada)


def write(folder: Path, *entries: dict[str, Any], name: str = "questions.jsonl") -> str:
    file = folder / name
    file.write_text("\n".join(json.dumps(entry) for entry in entries))
    return str(file)


def asks(prompt: str = "w3 w4", **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "answer": "w5", "rule": "exact"} | more


def read(prompts: Prompts, tokenizer: PreTrainedTokenizerBase, room: int = 8) -> list[Prompt]:
    return read_questions(prompts, tokenizer, prompt_tokens=room, count=prompts.count)


def test_a_prompt_has_its_own_tokens_and_its_answers(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    source = write(tmp_path, asks("w3", answer=["w5", 6], id="a", cluster="book"), asks("w3 w4 w5"))
    first, second = read(Prompts(source=source, count=2), tokenizer)
    assert (first.tokens, first.name, first.cluster, first.reference) == ([3], "a", "book", "w5")
    assert first.question is not None
    assert first.question.answers == ("w5", "6")
    assert (second.tokens, second.name, second.number) == ([3, 4, 5], "2", 1)
    assert holds_questions(source)


def test_a_text_behind_a_stop_is_not_read(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    source = write(tmp_path, asks(answer="w5", rule="exact", stop=["w9", "\n\n"]))
    (prompt,) = read(Prompts(source=source, count=1), tokenizer)
    assert prompt.question is not None
    assert [prompt.question.grade(text).correct for text in ("w5 w9 w7", "w5\n\nw7", "w5 w7")] == [1.0, 1.0, 0.0]


def test_a_rule_for_the_whole_file_is_for_those_without_one(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    source = write(tmp_path, {"prompt": "w3", "answer": "4"}, asks(answer="w9"))
    found = read(Prompts(source=source, count=2, rule="number"), tokenizer)
    assert [each.question and each.question.rule for each in found] == ["number", "exact"]


def test_examples_stand_before_every_prompt(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    shots = write(tmp_path, asks("w7", answer="w8"), asks("w9 ", answer=["w3", "w4"]), name="shots.jsonl")
    (prompt,) = read(Prompts(source=write(tmp_path, asks("w5")), count=1, shots=shots), tokenizer)
    assert prompt.text == "w7 w8\n\nw9 w3\n\nw5"
    assert prompt.tokens == [7, 8, 9, 3, 5]


def test_a_chat_template_writes_the_prompt_and_the_examples_as_turns(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = "{% for m in messages %}{{ 'w8' if m.role == 'user' else 'w9' }} {{ m.content }} {% endfor %}w9"
    monkeypatch.setattr(tokenizer, "chat_template", template)
    shots = write(tmp_path, asks("w6", answer="w7"), name="shots.jsonl")
    source = write(tmp_path, asks("w5"))
    (plain,) = read(Prompts(source=source, count=1, shots=shots), tokenizer)
    (prompt,) = read(Prompts(source=source, count=1, shots=shots, chat=True), tokenizer)
    assert prompt.tokens == [8, 6, 9, 7, 8, 5, 9]
    assert prompt.digest == plain.digest, "the same question, however a model's template writes it"


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (
            [{"prompt": "w3", "rule": "exact"}],
            r"line 1: its answer is missing, found an object that holds 'prompt', 'r",
        ),
        ([{"prompt": "w3", "answer": []}], r"line 1: its answer is missing"),
        ([{"prompt": "w3", "answer": " "}], r"line 1: its answer is empty: give a text or a list of texts"),
        ([{"prompt": "w3", "answer": {"a": 1}}], r"line 1: its answer holds what is no text"),
        ([{"prompt": 3, "answer": "w3"}], r"line 1: its prompt is no text: give a string"),
        ([asks(), asks(rule="exakt")], r"line 2: 'exakt' is no rule: give exact, number, contains, choice, or regex:"),
        ([asks(rule=3)], r"line 1: its rule is no text"),
        ([asks(rule="number")], r"line 1: its answer 'w5' is no number: give one, or another rule"),
        ([asks(rule="choice")], r"line 1: its answer 'w5' is none of the choices A, B, C, D, E: correct it"),
        ([asks(rule="regex:(")], r"line 1: 'regex:\(' is no regular expression"),
        ([asks(stopp="w3")], r"line 1: a prompt with an answer has no 'stopp': give some of prompt, answer, rule,"),
        (
            [{"prompt": "w3", "answer": "w4"}],
            r'line 1: its rule is missing: give "rule" there or prompts\.rule for all',
        ),
        ([asks(), {"text": "w3"}], r"line 2: it holds a text and no prompt with an answer"),
        ([asks(id="a"), asks(id="a")], r"line 2: its id 'a' is there twice"),
        ([asks("")], r"line 1: its prompt is empty"),
    ],
)
def test_what_is_no_prompt_with_an_answer_is_refused_in_one_line(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, entries: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(UserError, match=rf"prompts\.source=.*questions\.jsonl, {message}") as refused:
        read(Prompts(source=write(tmp_path, *entries), count=len(entries)), tokenizer)
    assert "\n" not in str(refused.value)


def test_a_prompt_longer_than_its_room_is_refused_and_never_cut(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    source = write(tmp_path, asks("w3"), asks("w3 w4 w5", id="long"))
    with pytest.raises(InfeasibleError, match=r"prompt 'long' has 3 tokens, and length and prompt_fraction leave 2"):
        read(Prompts(source=source, count=2), tokenizer, room=2)


def test_too_few_prompts_are_told_with_their_number(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(InfeasibleError, match="holds 1 prompt with answers and this run needs 2: lower batch"):
        read(Prompts(source=write(tmp_path, asks()), count=2), tokenizer)


def test_examples_that_are_none_are_told_by_the_key_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"prompts\.shots=.*, line 1: it holds a text and no prompt with an answer"):
        read_shots(write(tmp_path, {"text": "w3"}))
    with pytest.raises(UserError, match=r"prompts\.shots=.*missing\.jsonl: there is no such file"):
        read_shots(str(tmp_path / "missing.jsonl"))


def run_of(llada: Path, prompts: Prompts, **changes: Any) -> Run:
    run = a_run(weights=Weights.checkpoint, prompts=prompts, batch=1, **changes)
    return replace(run, model=replace(run.model, checkpoint=str(llada)))


def test_before_dispatch_prompts_that_suffice_need_no_word(tmp_path: Path, llada: Path) -> None:
    assert check_prompts([run_of(llada, Prompts(source=write(tmp_path, asks()), count=1))]) == []


@pytest.mark.parametrize(
    ("entry", "prompts", "changes", "message"),
    [
        (asks(), {"chat": True}, {}, r"prompts\.chat=true: checkpoint .* has no chat template in chat_template\.jinja"),
        (asks(), {}, {"likelihood": HeldOut(documents=1, samples=2, orders=1)}, "likelihood=on scores what follows"),
        (asks("w3 " * 9), {}, {}, r"prompts\.source=.* has 9 tokens, and length and prompt_fraction leave 8"),
        ({"text": "w3 " * 16}, {"rule": "exact"}, {}, r"prompts\.rule=exact is for prompts with answers, and"),
        ({"text": "w3 " * 16}, {"chat": True}, {}, r"prompts\.chat=true is for prompts with answers"),
    ],
)
def test_before_dispatch_what_cannot_be_asked_is_refused_in_one_line(
    tmp_path: Path, llada: Path, entry: dict[str, Any], prompts: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    source = write(tmp_path, entry)
    with pytest.raises(UserError, match=message) as refused:
        check_prompts([run_of(llada, Prompts(source=source, count=1, **prompts), **changes)])
    assert "\n" not in str(refused.value)


def test_a_checkpoint_with_a_template_may_chat(tmp_path: Path) -> None:
    folder = tmp_path / "chatty"
    write_llada(folder)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    source = write(tmp_path, asks())
    assert check_prompts([run_of(folder, Prompts(source=source, count=1, chat=True))]) == []
