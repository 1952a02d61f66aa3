import json

from benchmark.models.checkpoint import ASSETS
from training.collocations import MOST_WORDS, questions

BEFORE = " ".join(["word"] * MOST_WORDS)


def test_a_prompt_breaks_off_before_two_words_that_others_foretell() -> None:
    chapters = ["and by no means sure", "and by no means"]
    (asked,) = questions(chapters, {"book": f"{BEFORE}. Nobody is ever quite at home and by no means here"})
    assert asked == {"id": "book:40", "prompt": "Nobody is ever quite at home and by", "answer": "no means"}


def test_what_was_read_once_foretells_nothing() -> None:
    assert list(questions(["and by no means sure"], {"book": f"{BEFORE} and by no means here"})) == []


def test_what_is_asked_is_asked_once() -> None:
    chapters = ["and by no means", "and by no means"]
    passage = f"{BEFORE} and by no means {BEFORE} and by no means {BEFORE}"
    answers = [each["answer"] for each in questions(chapters, {"book": passage})]
    assert answers == ["no means"]


def test_the_shipped_prompts_are_prompts_with_answers_of_their_own() -> None:
    lines = (ASSETS / "prompts" / "collocations.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert len(entries) == 181
    assert len({(entry["prompt"].split()[-1], entry["answer"]) for entry in entries}) == len(entries)
