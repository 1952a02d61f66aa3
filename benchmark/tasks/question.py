"""Questions: prompts whose answers are known, and the grade of a text that answers one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from benchmark.tasks.rules import ALLOWED, CHOICES, RuleName, parse_rule, value_of
from crossover.errors import UserError

KEYS = ("prompt", "answer", "rule", "choices", "stop", "id", "cluster")


@dataclass(frozen=True, kw_only=True)
class Grade:
    """Whether a text is right, from 0 to 1, and what of it was taken for its answer."""

    correct: float
    answer: str | None


class Gradable(Protocol):
    """What a prompt knows of its answer."""

    @property
    def answers(self) -> tuple[str, ...]:
        """The answers that are right, the first of which stands for all."""

    @property
    def rule(self) -> str | None:
        """The rule's name, for the record."""

    def grade(self, text: str) -> Grade:
        """Grade a text that was written behind the prompt."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """The answers to a prompt, and the rule that finds one of them in a text.

    Attributes:
        rule: as `parse_rule` reads it; None where the file does not say it.
        choices: for the rule `choice`, what may be chosen; empty for `CHOICES`.
        stop: texts before the first of which an answer ends. They cut the text and never the work.
    """

    answers: tuple[str, ...]
    rule: str | None
    choices: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()

    def grade(self, text: str) -> Grade:
        """See Gradable."""
        assert self.rule is not None
        rule = parse_rule(self.rule)
        answer = rule.answer(cut(text, self.stop), self.answers, self.choices)
        return Grade(correct=float(rule.accepts(answer, self.answers)), answer=answer)


def cut(text: str, stop: tuple[str, ...]) -> str:
    """The text before the first of the texts that end it."""
    ends = [text.find(each) for each in stop if each in text]
    return text[: min(ends)] if ends else text


def question_of(where: str, entry: Mapping[str, Any]) -> Question:
    """The question that an object of a file asks.

    Raises:
        UserError: when something is missing in it, or is not what it should be; `where` begins the message.
    """
    if not isinstance(entry["prompt"], str):
        raise UserError(f"{where}: its prompt is no text: give a string")
    if entry.get("answer") in (None, []):
        raise UserError(
            f"{where}: its answer is missing, found an object that holds {', '.join(map(repr, list(entry)[:5]))}:"
            ' give "answer", a text or a list of texts'
        )
    unknown = [key for key in entry if key not in KEYS]
    if unknown:
        raise UserError(f"{where}: a prompt with an answer has no {unknown[0]!r}: give some of {', '.join(KEYS)}")
    rule = entry.get("rule")
    if rule is not None and not isinstance(rule, str):
        raise UserError(f"{where}: its rule is no text: give {ALLOWED}")
    question = Question(
        answers=_texts(where, entry, "answer"),
        rule=rule,
        choices=_texts(where, entry, "choices"),
        stop=_texts(where, entry, "stop"),
    )
    if rule is not None:
        check_rule(where, question)
    return question


def with_rule(where: str, question: Question, rule: str | None) -> Question:
    """The question, by a rule of the whole file where it has none of its own.

    Raises:
        UserError: when there is neither, or the answers do not suit it.
    """
    if question.rule is not None:
        return question
    if rule is None:
        raise UserError(f'{where}: its rule is missing: give "rule" there or prompts.rule for all, {ALLOWED}')
    ruled = replace(question, rule=rule)
    check_rule(where, ruled)
    return ruled


def check_rule(where: str, question: Question) -> None:
    """Make sure that the rule is one, and can find the answers.

    Raises:
        UserError: saying what is allowed.
    """
    try:
        rule = parse_rule(question.rule or "")
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error
    for answer in question.answers:
        if rule.name is RuleName.number and value_of(answer) is None:
            raise UserError(f"{where}: its answer {answer!r} is no number: give one, or another rule")
        if rule.name is RuleName.choice and answer not in (question.choices or CHOICES):
            raise UserError(
                f"{where}: its answer {answer!r} is none of the choices {', '.join(question.choices or CHOICES)}:"
                ' correct it, or give "choices"'
            )


def _texts(where: str, entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """One or several texts under a key; a number is a text, and nothing is none."""
    given = entry.get(key)
    every = given if isinstance(given, list) else [] if given is None else [given]
    for each in every:
        if isinstance(each, bool) or not isinstance(each, str | int | float):
            raise UserError(f"{where}: its {key} holds what is no text: give a text or a list of texts")
        if str(each).strip() == "" and key != "stop":
            raise UserError(f"{where}: its {key} is empty: give a text or a list of texts")
    return tuple(map(str, every))
