"""Prompts of an exact number of tokens, each with the document's true continuation beside it."""

import hashlib
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.models.checkpoint import ASSETS, BUILTIN
from crossover.errors import InfeasibleError, UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHARACTERS_PER_TOKEN = 8
"""More than any English tokenizer packs into a token on average: so long is a document cut from plain text."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text and its name."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The first tokens of a document, as ids and as text, and the tokens that follow, likewise.

    `number` is the document's position in its source: what it decodes to depends on that and on nothing before it.
    `digest` is the whole document's hash, which does not depend on the tokenizer.
    """

    number: int
    name: str
    tokens: list[int]
    text: str
    reference_tokens: list[int]
    reference: str
    digest: str = ""


def locate(source: str) -> Path:
    """The file behind a prompt source, a path or `builtin:NAME`.

    Raises:
        UserError: when there is none.
    """
    path = ASSETS / source.removeprefix(BUILTIN) if source.startswith(BUILTIN) else Path(source).expanduser()
    if not path.is_file():
        raise UserError(f"prompts.source={source}: there is no such file; give a .jsonl or a text file")
    return path


def read_prompts(
    source: str, tokenizer: "PreTrainedTokenizerBase", *, prompt_tokens: int, output_tokens: int, count: int
) -> list[Prompt]:
    """The first `count` documents that hold a whole prompt and a whole continuation.

    Raises:
        UserError: when the source is no file, or no prompts.
        InfeasibleError: when it holds fewer such documents.
    """
    length = prompt_tokens + output_tokens
    prompts: list[Prompt] = []
    for number, document in enumerate(_documents(locate(source), length)):
        tokens = tokenizer(document.text, truncation=True, max_length=length).input_ids
        if len(tokens) == length:
            head, tail = tokens[:prompt_tokens], tokens[prompt_tokens:]
            texts = tokenizer.batch_decode([head, tail], skip_special_tokens=True)
            prompts.append(
                Prompt(
                    number=number,
                    name=document.name,
                    tokens=head,
                    text=texts[0],
                    reference_tokens=tail,
                    reference=texts[1],
                    digest=hashlib.sha256(document.text.encode()).hexdigest()[:16],
                )
            )
        if len(prompts) == count:
            return prompts
    raise InfeasibleError(
        f"{source} holds {len(prompts)} documents of at least {length} tokens and this run needs {count}:"
        " lower batch, prompts.count or likelihood.documents, or give more text with prompts.source"
    )


def random_prompts(*, vocabulary: int, mask_id: int | None, prompt_tokens: int, count: int, seed: int) -> list[Prompt]:
    """Prompts without meaning, for a model without a tokenizer: tokens drawn evenly, never the mask."""
    draw = random.Random(seed)  # noqa: S311 (nothing secret)
    allowed = [token for token in range(vocabulary) if token != mask_id]
    return [
        Prompt(
            number=number,
            name=f"random-{number}",
            tokens=draw.choices(allowed, k=prompt_tokens),
            text="",
            reference_tokens=[],
            reference="",
        )
        for number in range(count)
    ]


def _documents(path: Path, length: int) -> Iterator[Document]:
    try:
        if path.suffix == ".jsonl":
            yield from _from_jsonl(path)
        else:
            yield from _from_text(path, length * CHARACTERS_PER_TOKEN)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"prompts.source={path}: it cannot be read as UTF-8 text ({error})") from error


def _from_jsonl(path: Path) -> Iterator[Document]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _document(path, number, line)


def _document(path: Path, number: int, line: str) -> Document:
    try:
        entry = json.loads(line)
        text = entry["text"]
        if not isinstance(text, str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise UserError(f'prompts.source={path}, line {number}: expected an object like {{"text": "..."}}') from None
    return Document(name=str(entry.get("id", number)), text=text)


def _from_text(path: Path, characters: int) -> Iterator[Document]:
    """Consecutive groups of paragraphs, each of at least `characters` (the last may be shorter)."""
    group: list[str] = []
    number = 1
    for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        group.append(paragraph.strip())
        if sum(map(len, group)) >= characters:
            yield Document(name=str(number), text="\n\n".join(group))
            group, number = [], number + 1
    if group:
        yield Document(name=str(number), text="\n\n".join(group))
