"""Prompts of an exact number of tokens, each with the document's true continuation beside it."""

import hashlib
import random
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from benchmark.decoders.documents import Document, counted, documents, found_in
from benchmark.models.checkpoint import ASSETS, BUILTIN
from benchmark.models.tokens import CHARACTERS_PER_TOKEN, backend, first_ids, read_backend
from benchmark.tasks.question import Gradable
from crossover.errors import InfeasibleError, UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

SHOWN = 3
"""Repeated documents that a remark names."""

_IDS: "WeakKeyDictionary[Tokenizer, dict[tuple[str, int], list[int]]]" = WeakKeyDictionary()
"""First tokens of documents by a tokenizer, by the document's digest and their number: each point asks again."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a file holds for one length: so many documents that suffice, and what is to be said of them."""

    source: str
    length: int
    documents: int
    others: str
    repeated: str | None

    def shortage(self, count: int) -> str | None:
        """What to say to a run that needs `count` documents: the rule, what was found, and what to do."""
        if count <= self.documents:
            return None
        return (
            f"{self.source} holds {counted(self.documents, 'document')} of at least {self.length} tokens and this run"
            f" needs {count}: lower batch, prompts.count or likelihood.documents, or length, or give more or longer"
            f" texts with prompts.source ({self.others})"
        )


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The first tokens of a document, as ids and as text, and the tokens that follow, likewise.

    `number` is the document's position in its source: what it decodes to depends on that and on nothing before it.
    `digest` is the whole document's hash, which does not depend on the tokenizer. `cluster` is what the document shares
    with others, such as the book that they are from. A prompt with a `question` has an answer in the place of the
    continuation, as text alone.
    """

    number: int
    name: str
    tokens: list[int]
    text: str
    reference_tokens: list[int]
    reference: str
    digest: str = ""
    cluster: str | None = None
    question: Gradable | None = None


def locate(source: str) -> Path:
    """The file behind a prompt source, a path or `builtin:NAME`.

    Raises:
        UserError: when there is none.
    """
    path = ASSETS / source.removeprefix(BUILTIN) if source.startswith(BUILTIN) else Path(source).expanduser()
    if path.is_dir():
        raise UserError(f"prompts.source={source}: it is a folder: give a file of it, a .jsonl or a text file")
    if not path.is_file():
        what = "it is no regular file: save it as one" if path.exists() else "there is no such file"
        raise UserError(f"prompts.source={source}: {what}; give a .jsonl or a text file")
    return path


def read_prompts(
    source: str,
    tokenizer: "PreTrainedTokenizerBase",
    *,
    prompt_tokens: int,
    output_tokens: int,
    count: int,
    vocabulary: int | None = None,
) -> list[Prompt]:
    """The first `count` documents that hold a whole prompt and a whole continuation.

    `vocabulary` is the number of the model's embeddings, which every token must have one of.

    Raises:
        UserError: when the source is no file, or no prompts, or holds a token that the model does not know.
        InfeasibleError: when it holds fewer such documents.
    """
    length = prompt_tokens + output_tokens
    prompts: list[Prompt] = []
    plain = backend(tokenizer)
    for number, document, tokens in _long_enough(locate(source), plain, length, count):
        check_known(source, document, tokens, vocabulary)
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
                digest=_digest(document),
                cluster=document.cluster,
            )
        )
    if len(prompts) < count:
        raise InfeasibleError(_survey(source, plain, length, count).shortage(count))
    return prompts


def survey(source: str, checkpoint: Path, *, length: int, count: int, vocabulary: int) -> Survey:
    """Look at the documents that a run of that length would read, without loading a model.

    Raises:
        UserError: when the source is no file, one of those documents is none, or holds a token without an embedding.
    """
    tokenizer = read_backend(checkpoint)
    for _, document, tokens in _long_enough(locate(source), tokenizer, length, count):
        check_known(source, document, tokens, vocabulary)
    return _survey(source, tokenizer, length, count)


def _survey(source: str, tokenizer: "Tokenizer", length: int, count: int) -> Survey:
    path = locate(source)
    usable = [(document, tokens) for _, document, tokens in _long_enough(path, tokenizer, length, count)]
    return Survey(
        source=source,
        length=length,
        documents=len(usable),
        others="" if len(usable) == count else _others(path, tokenizer, length),
        repeated=_repeated(source, usable, length),
    )


def _others(path: Path, tokenizer: "Tokenizer", length: int) -> str:
    """What there is besides the documents that suffice: how many, and the longest; the rule of plain text."""
    sizes = [
        (len(_ids(tokenizer, each, length)), each.location) for each in documents(path, length * CHARACTERS_PER_TOKEN)
    ]
    short = [size for size in sizes if size[0] < length]
    tokens, location = max(short, default=(0, ""), key=lambda size: size[0])
    longest = f", the longest of the others has {counted(tokens, 'token')}, {location}" if short else ""
    return f"found {counted(len(sizes), 'document')} in all{longest}{found_in(path)}"


def _long_enough(
    path: Path, tokenizer: "Tokenizer", length: int, count: int
) -> Iterator[tuple[int, Document, list[int]]]:
    """The first `count` documents of at least `length` tokens: their number in the file, and those tokens.

    Raises:
        UserError: when one that is looked at is no document, or two of them have one name.
    """
    names: dict[str, Document] = {}
    for number, each in enumerate(documents(path, length * CHARACTERS_PER_TOKEN)):
        if each.question is not None:
            raise UserError(
                f"prompts.source={path}, {each.location}: it holds a prompt with an answer, and the first entry a text:"
                " give one kind alone"
            )
        tokens = _ids(tokenizer, each, length)
        if len(tokens) < length:
            continue
        document = _named_apart(path, each, names.get(each.name))
        names[document.name] = document
        yield number, document, tokens
        if len(names) == count:
            return


def _named_apart(path: Path, document: Document, other: Document | None) -> Document:
    """The document, under a name of its own where it is a copy of the one that has its name."""
    if other is None:
        return document
    if other.text == document.text:
        return replace(document, name=f"{document.name} ({document.location})")
    raise UserError(
        f"prompts.source={path}, {document.location}: its id {document.name!r} is that of {other.location} too:"
        " give each document its own, or none"
    )


def _ids(tokenizer: "Tokenizer", document: Document, count: int) -> list[int]:
    known, key = _IDS.setdefault(tokenizer, {}), (_digest(document), count)
    if key not in known:
        known[key] = first_ids(tokenizer, document.text, count)
    return known[key]


def _digest(document: Document) -> str:
    return hashlib.sha256(document.text.encode()).hexdigest()[:16]


def check_known(source: str, document: Document, tokens: list[int], vocabulary: int | None) -> None:
    """Make sure that the model has an embedding for each token.

    Raises:
        UserError: when it has not.
    """
    if vocabulary is not None and max(tokens) >= vocabulary:
        raise UserError(
            f"prompts.source={source}, {document.location}: the tokenizer gives it token {max(tokens)} and the model"
            f" has embeddings for 0 to {vocabulary - 1}: put the tokenizer of this model beside its weights"
        )


def _repeated(source: str, usable: Sequence[tuple[Document, list[int]]], length: int) -> str | None:
    """What to say of documents that are there more than once, as far as a run of the length reads them."""
    whole = repetitions((document.location, document.text) for document, _ in usable)
    pairs = repetitions((document.location, tuple(tokens)) for document, tokens in usable)
    within = (
        "" if len(pairs) == len(whole) else f" in the first {length} tokens, all that a run of length={length} reads"
    )
    return say_repeated(source, pairs, f"{len(usable)} documents", within)


def repetitions(contents: Iterable[tuple[str, Hashable]]) -> list[tuple[str, str]]:
    """The name of each that has the content of an earlier one, and the earlier one's."""
    first: dict[Hashable, str] = {}
    again = [(name, first.setdefault(content, name)) for name, content in contents]
    return [(name, earlier) for name, earlier in again if name != earlier]


def say_repeated(source: str, pairs: Sequence[tuple[str, str]], of: str, within: str = "") -> str | None:
    """That so many of the first ones repeat others, and what follows from that."""
    if not pairs:
        return None
    verb = "repeats" if len(pairs) == 1 else "repeat"
    named = ", ".join(f"{name} repeats {earlier}" for name, earlier in pairs[:SHOWN])
    more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return (
        f"prompts.source={source}: {len(pairs)} of the first {of} {verb} an earlier one{within} ({named}{more}):"
        " a document that counts twice narrows the intervals; remove it"
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
