"""Whether each output answers its prompt, where the prompt's answers are known.

Counted is the text up to the first end of sequence, and within it up to the first of the texts that end an answer.
What comes behind them was generated and timed, and is never read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchmark.decoders.prompts import Prompt
from benchmark.tasks.question import Grade
from crossover.records.texts import Generated, Score


def graded(scores: Sequence[Score], generated: Sequence[Generated], prompts: Iterable[Prompt]) -> tuple[Score, ...]:
    """The scores, each with the grade of its text."""
    questions = {prompt.name: prompt.question for prompt in prompts}
    return tuple(
        score if (question := questions[text.prompt_id]) is None else _with(score, question.grade(text.continuation))
        for score, text in zip(scores, generated, strict=True)
    )


def _with(score: Score, grade: Grade) -> Score:
    return replace(score, correct=grade.correct, answered=grade.answer)
