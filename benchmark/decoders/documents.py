"""Documents from a file: JSON lines, a JSON array, or plain text. A file is read by what it is, whatever it is called.

Every error is one line that names the file, the line or entry in it, and the rule.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from benchmark.tasks.question import Question, question_of
from crossover.errors import UserError

EXPECTED = 'expected an object like {"text": "..."}'
FORMATS = "give JSON lines (.jsonl), a JSON array (.json) or plain text (.txt), in UTF-8"
MARK = "\ufeff"
"""The byte-order mark, with which some editors begin a file; where files were joined, it begins lines too."""

JSON_SUFFIXES = {".jsonl", ".ndjson", ".json"}
TEXT_SUFFIXES = {"", ".txt", ".text", ".md", ".markdown", ".rst"}
BEGINNINGS = {
    b"\x1f\x8b": "compressed by gzip",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF",
    b"\xff\xfe\0\0": "in UTF-32",
    b"\0\0\xfe\xff": "in UTF-32",
    b"\xff\xfe": "in UTF-16",
    b"\xfe\xff": "in UTF-16",
}
"""How files begin that hold no UTF-8 text."""


class Layout(Enum):
    """What a file of documents can be."""

    lines = "JSON lines"
    array = "a JSON array"
    text = "plain text"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text, its name, its location in the file, and what it shares with others there, if anything.

    With a `question` the text is a prompt whose answers are known; else it holds a prompt and its continuation.
    """

    name: str
    text: str
    location: str
    cluster: str | None = None
    question: Question | None = None


def documents(path: Path, characters: int) -> Iterator[Document]:
    """The documents of a file, one after another; of plain text, groups of paragraphs of at least `characters` each.

    Raises:
        UserError: naming the location, when the file or the next document is not what it should be.
    """
    try:
        match layout(path):
            case Layout.lines:
                yield from _from_lines(path)
            case Layout.array:
                yield from _from_array(path)
            case Layout.text:
                yield from _from_text(path, characters)
    except OSError as error:
        raise UserError(f"prompts.source={path}: it cannot be read ({error.strerror or error})") from error


def layout(path: Path) -> Layout:
    """What a file is.

    Raises:
        UserError: when it is nothing that holds documents.
    """
    with path.open("rb") as file:
        head = file.read(16)
    for beginning, kind in BEGINNINGS.items():
        if head.startswith(beginning):
            raise UserError(f"prompts.source={path}: the file is {kind}: {FORMATS}")
    suffix = path.suffix.lower()
    if json_layout := _json_layout(path, suffix):
        return json_layout
    if suffix in TEXT_SUFFIXES:
        return Layout.text
    raise UserError(f"prompts.source={path}: {suffix} files are not read: {FORMATS}; rename plain text to .txt")


def _json_layout(path: Path, suffix: str) -> Layout | None:
    """Which JSON a file is, by how it begins and then by its suffix; None when it is none."""
    first = _first_line(path)
    if first.startswith("[") and (suffix == ".json" or isinstance(_parsed(path), list)):
        return Layout.array
    if first.startswith("{"):
        if isinstance(_loaded(first), dict):
            return Layout.lines
        if isinstance(_parsed(path), dict):
            return Layout.array  # of one
    return Layout.lines if suffix in JSON_SUFFIXES else None


def found_in(path: Path) -> str:
    """The rule by which plain text becomes documents, and the numbers of its parts; nothing for other files."""
    if layout(path) is not Layout.text:
        return ""
    text = _text_of(path)
    paragraphs, lines = len(_paragraphs(text)), len(text.splitlines())
    advice = "" if paragraphs > 1 or lines == 1 else ": for one document a line, part the lines by blank ones"
    return (
        f"; in plain text blank lines part paragraphs, and paragraphs are joined until they suffice for a document:"
        f" found {counted(paragraphs, 'paragraph')} in {counted(lines, 'line')}{advice}"
    )


def counted(count: int, what: str) -> str:
    """A number of things."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _from_lines(path: Path) -> Iterator[Document]:
    number = 0
    with path.open("rb") as file:
        for chunk in file:
            for line in chunk.splitlines():  # a carriage return ends a line too
                number += 1
                text = _decoded(path, line, number).lstrip(MARK)
                if text.strip():
                    yield _document(path, str(number), f"line {number}", _json(path, text, number))


def _from_array(path: Path) -> Iterator[Document]:
    parsed = _json(path, _decoded(path, path.read_bytes(), 1).lstrip(MARK))
    for number, entry in enumerate(parsed if isinstance(parsed, list) else [parsed], start=1):
        yield _document(path, str(number), f"entry {number}", entry)


def _from_text(path: Path, characters: int) -> Iterator[Document]:
    """Consecutive groups of paragraphs, each of at least `characters` (the last may be shorter)."""
    group: list[str] = []
    number = 1
    for paragraph in _paragraphs(_text_of(path)):
        group.append(paragraph)
        if sum(map(len, group)) >= characters:
            yield Document(name=str(number), text="\n\n".join(group), location=f"document {number}")
            group, number = [], number + 1
    if group:
        yield Document(name=str(number), text="\n\n".join(group), location=f"document {number}")


def _paragraphs(text: str) -> list[str]:
    return [stripped for paragraph in re.split(r"\n\s*\n", text) if (stripped := paragraph.strip())]


def _text_of(path: Path) -> str:
    text = _decoded(path, path.read_bytes(), 1).replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(f"^{MARK}+", "", text, flags=re.MULTILINE)


def _decoded(path: Path, content: bytes, number: int) -> str:
    """Text from bytes that begin in line `number` of a file."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = number + len((content[: error.start] + b".").splitlines()) - 1
        fault = f"byte 0x{content[error.start]:02x}: {error.reason}"
        raise UserError(
            f"prompts.source={path}, line {line}: it cannot be read as UTF-8 text ({fault}): save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = number + len(text[: text.index("\0") + 1].splitlines()) - 1
        raise UserError(f"prompts.source={path}, line {line}: it holds a NUL byte, which no text does: {FORMATS}")
    return text


def _document(path: Path, name: str, location: str, entry: object) -> Document:
    where = f"prompts.source={path}, {location}"
    if not isinstance(entry, dict):
        raise UserError(f"{where}: {EXPECTED}, found {_kind(entry)}")
    question = question_of(where, entry) if "prompt" in entry and "text" not in entry else None
    key = "text" if question is None else "prompt"
    if key not in entry:
        keys = ", ".join(map(repr, list(entry)[:5])) or "nothing"
        raise UserError(f"{where}: {EXPECTED}, found an object that holds {keys}")
    if not isinstance(entry[key], str):
        raise UserError(f"{where}: {EXPECTED}, found {_kind(entry[key])} as its {key}")
    given = _named(where, entry, "id")
    document = Document(
        name=name if given is None else given,
        text=entry[key],
        location=location,
        cluster=_named(where, entry, "cluster"),
        question=question,
    )
    answers = () if question is None else question.answers
    written = ((key, document.text), *(("answer", each) for each in answers))
    for what, text in (*written, ("id", document.name), ("cluster", document.cluster or "")):
        _check_characters(where, what, text)
    return document


def _named(where: str, entry: Mapping[str, object], key: str) -> str | None:
    """A name that a document may have: a text or a number."""
    given = entry.get(key)
    if isinstance(given, bool | list | dict):
        raise UserError(f"{where}: its {key} is {_kind(given)}: give a text or a number")
    if isinstance(given, float) and not math.isfinite(given):
        raise UserError(f"{where}: its {key} is {given}, which is no number: give a text or a number")
    return None if given is None else str(given)


def _check_characters(where: str, what: str, text: str) -> None:
    """JSON can escape what is no text: half a pair of surrogates, and NUL."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise UserError(
            f"{where}: its {what} holds {half}, half of a surrogate pair, which is no character: remove it"
        ) from None
    if "\0" in text:
        raise UserError(f"{where}: its {what} holds the NUL character \\u0000, which no text does: remove it")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number"}
    return names.get(type(value), "a number")


def _json(path: Path, text: str, line: int = 1) -> object:
    """What a JSON text holds that begins in that line of a file."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        line += error.lineno - 1
        reason = f"text that is no JSON ({error.msg} at character {error.colno})"
    except ValueError as error:
        reason = f"text that is no JSON ({error})"
    except RecursionError:
        reason = "brackets nested too deeply"
    raise UserError(f"prompts.source={path}, line {line}: {EXPECTED}, found {reason}")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON; of a key that is there twice nobody can say which value is meant.

    Raises:
        ValueError: naming it.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return made


def _loaded(text: str) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """What a JSON text holds; None when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parsed(path: Path) -> Any:  # noqa: ANN401 (whatever JSON holds)
    return _loaded(path.read_bytes().decode("utf-8", errors="replace").lstrip(MARK))


def _first_line(path: Path) -> str:
    """The first line that is not blank; what is no UTF-8 in it is said when it is read."""
    with path.open("rb") as file:
        for line in file:
            if text := line.decode("utf-8", errors="replace").lstrip(MARK).strip():
                return text
    return ""
