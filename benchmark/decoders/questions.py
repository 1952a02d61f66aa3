"""Prompts with answers, at their real lengths.

A run's batches are all of one shape, so every prompt is padded on the left to the run's prompt tokens; padding is
hidden from attention and moves no position. A prompt that is longer is refused and never cut.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from benchmark.decoders.documents import Document, counted, documents
from benchmark.decoders.prompts import Prompt, check_known, locate
from benchmark.models.tokens import backend, leading_ids, text_ids
from benchmark.tasks.chat import Shot, chat_prompt, plain_prompt
from benchmark.tasks.harness_tasks import harness_prompts, is_harness_task
from benchmark.tasks.question import Gradable, Question, with_rule
from crossover.errors import InfeasibleError, UserError
from crossover.records.settings import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def holds_questions(source: str) -> bool:
    """Whether a source holds prompts with answers, by its first.

    Raises:
        UserError: when it is no file, or its first entry is nothing that is read.
    """
    if is_harness_task(source):
        return True
    first = next(documents(locate(source), 1), None)
    return first is not None and first.question is not None


def read_questions(
    prompts: Prompts,
    tokenizer: "PreTrainedTokenizerBase",
    *,
    prompt_tokens: int,
    count: int,
    vocabulary: int | None = None,
) -> list[Prompt]:
    """The first `count` prompts of the source, each of at most `prompt_tokens` tokens.

    Raises:
        UserError: when the source or the file of examples is not what it should be.
        InfeasibleError: when it holds fewer, or a longer one.
    """
    questions = asked(prompts, tokenizer, count, vocabulary)
    if lack := shortage(prompts, questions, prompt_tokens=prompt_tokens, count=count):
        raise InfeasibleError(lack)
    return questions


def shortage(prompts: Prompts, questions: list[Prompt], *, prompt_tokens: int, count: int) -> str | None:
    """What to say to a run that needs `count` prompts with room for `prompt_tokens` each; None where all is there."""
    if len(questions) < count:
        return (
            f"{prompts.source} holds {counted(len(questions), 'prompt')} with answers and this run needs {count}:"
            " lower batch or prompts.count, or give more of them"
        )
    longest = max(questions[:count], key=lambda each: len(each.tokens))
    if len(longest.tokens) > prompt_tokens:
        return (
            f"{prompts.source}: prompt {longest.name!r} has {len(longest.tokens)} tokens, and length and"
            f" prompt_fraction leave {prompt_tokens} for a prompt: raise length or prompt_fraction, since prompts with"
            " answers are padded and never cut"
        )
    return None


def asked(
    prompts: Prompts, tokenizer: "PreTrainedTokenizerBase", count: int, vocabulary: int | None = None
) -> list[Prompt]:
    """The first `count` prompts of a source, or all that there are, of whatever lengths.

    Raises:
        UserError: when something is not what it should be; the message names it.
    """
    shots = read_shots(prompts.shots)
    names: set[str] = set()
    questions = []
    for number, (document, question) in enumerate(islice(_questions(prompts, count), count)):
        where = f"prompts.source={prompts.source}, {document.location}"
        if document.name in names:
            raise UserError(f"{where}: its id {document.name!r} is there twice: give each its own, or none")
        names.add(document.name)
        text, tokens = _written(document.text, shots, tokenizer, chat=prompts.chat)
        if not tokens:
            raise UserError(f"{where}: its prompt is empty: give a text")
        check_known(prompts.source, document, tokens, vocabulary)
        questions.append(
            Prompt(
                number=number,
                name=document.name,
                tokens=tokens,
                text=text,
                reference_tokens=[],
                reference=question.answers[0],
                digest=_digest(document.text, question),
                cluster=document.cluster,
                question=question,
            )
        )
    return questions


def read_shots(source: str | None) -> tuple[Shot, ...]:
    """The examples of a file, all of them, in its order.

    Raises:
        UserError: when it is no file of prompts with answers.
    """
    if source is None:
        return ()
    try:
        questions = list(documents(locate(source), 1))
        return tuple(Shot(prompt=each.text, answer=_asks(source, each).answers[0]) for each in questions)
    except UserError as error:
        raise UserError(str(error).replace("prompts.source=", "prompts.shots=", 1)) from error


def _questions(prompts: Prompts, count: int) -> Iterator[tuple[Document, Gradable]]:
    if is_harness_task(prompts.source):
        for each in harness_prompts(prompts.source, count):
            location = f"document {each.number}"
            yield Document(name=str(each.number), text=each.text, location=location), each.question
        return
    for document in documents(locate(prompts.source), 1):
        where = f"prompts.source={prompts.source}, {document.location}"
        yield document, with_rule(where, _asks(prompts.source, document), prompts.rule)


def _asks(source: str, document: Document) -> Question:
    if document.question is None:
        raise UserError(
            f"prompts.source={source}, {document.location}: it holds a text and no prompt with an answer:"
            ' give {"prompt": ..., "answer": ...} in every entry or in none'
        )
    return document.question


def _written(
    prompt: str, shots: Iterable[Shot], tokenizer: "PreTrainedTokenizerBase", *, chat: bool
) -> tuple[str, list[int]]:
    """A prompt as the model reads it. A chat template writes what leads a text itself."""
    plain = backend(tokenizer)
    if chat:
        text = chat_prompt(prompt, tuple(shots), tokenizer)
        return text, text_ids(plain, text)
    text = plain_prompt(prompt, tuple(shots))
    return text, [*leading_ids(plain), *text_ids(plain, text)]


def _digest(prompt: str, question: Gradable) -> str:
    """Hash of what is asked: the same for models whose chat templates differ."""
    return hashlib.sha256(repr((prompt, question.answers, question.rule)).encode()).hexdigest()[:16]
