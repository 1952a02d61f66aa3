"""Read records; what is none, or is of another version, is named and left out."""

import gc
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import orjson

from crossover.errors import UserError
from crossover.printable import all_printable
from crossover.records.record import Record

TEXTS, AFTER_TEXTS = b'"generated": [', b'], "scores": ['
"""What stands before and behind a record's texts."""

ESCAPED = re.compile(rb"\\[ubfr]")
CODED = re.compile(rb"\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
"""How JSON in UTF-8 writes characters that a terminal obeys: with a backslash, or beyond ASCII."""

TOGETHER = 8
"""Records that are built at once: more are slower, since they do not fit in the processor's cache."""

WRONG = (OSError, ValueError, TypeError, OverflowError, RecursionError)
"""What a file that is no record may raise."""

T = TypeVar("T")
Source = tuple[str, Callable[[], bytes]]
"""The name of a record's file or run, and a function that reads it."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Records in the order of their start, and what could not be read: a line each."""

    records: tuple[Record, ...]
    rejected: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rejection:
    """Why a source is no record: its name and the reason, in a line."""

    line: str


def load(files: Iterable[Path], *, keep_texts: bool = True) -> Loaded:
    """The records in `files`."""
    return read((from_file(file) for file in files), keep_texts=keep_texts)


def read(
    sources: Iterable[Source], *, keep_texts: bool = True, keep: Callable[[Record], Record] | None = None
) -> Loaded:
    """The records in `sources`, or what `keep` makes of each: a record too, before the next ones are read.

    Without `keep_texts` they are to be shown: `generated` is empty, which saves most of the memory, and what a terminal
    would obey is spelled out in the other texts.
    """
    outcomes: list[Record | Rejection] = []
    unread = iter(sources)
    with collector_paused():
        while together := list(islice(unread, TOGETHER)):
            made = _read_together(together, keep_texts=keep_texts)
            outcomes += made if keep is None else [keep(each) if isinstance(each, Record) else each for each in made]
    return Loaded(
        records=tuple(sorted((each for each in outcomes if isinstance(each, Record)), key=attrgetter("started_at"))),
        rejected=tuple(each.line for each in outcomes if isinstance(each, Rejection)),
    )


def _read_together(sources: Sequence[Source], *, keep_texts: bool) -> list[Record | Rejection]:
    """The record of each source, or why it has none."""
    parsed = [(name, _tried(name, partial(_parsed, content, keep_texts=keep_texts))) for name, content in sources]
    try:
        made = iter(Record.all_from_data([data for _, data in parsed if not isinstance(data, Rejection)]))
        return [data if isinstance(data, Rejection) else next(made) for _, data in parsed]
    except WRONG:
        return [
            data if isinstance(data, Rejection) else _tried(name, partial(Record.from_data, data))
            for name, data in parsed
        ]


def _tried(name: str, make: Callable[[], T]) -> T | Rejection:
    try:
        return make()
    except WRONG as error:
        return Rejection(line=f"{name}: {_one_line(error)}")


def from_file(file: Path) -> Source:
    """A record file as a source."""
    return str(file), partial(_content_of, file)


def _content_of(file: Path) -> bytes:
    """What a regular file holds; a pipe would be waited for."""
    if not file.is_file() and file.exists():
        raise OSError("it is no regular file")
    return file.read_bytes()


def find(path: Path) -> list[Path]:
    """The record files of an output_dir, of a folder of records, or a file by itself.

    Raises:
        UserError: when there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist: give an output_dir of the benchmark, a folder of records or a record")
    folder = path / "records" if (path / "records").is_dir() else path
    files = sorted(folder.glob("*.json"), key=attrgetter("name"))  # whole paths are compared ten times as slowly
    if not files:
        raise UserError(f"{folder} holds no records: give the output_dir of a run, or a folder of records")
    return files


def latest(records: Iterable[Record]) -> list[Record]:
    """The newest record of each replicate of each run, measured ones before failed ones, in the order of appearance.

    A record without an index is of the first replicate.
    """
    best: dict[tuple[str, int], Record] = {}
    for record in records:
        process = record.key, record.replicate or 0
        held = best.get(process)
        if held is None or record.measurement is not None or held.measurement is None:
            best[process] = record
    return list(best.values())


def _parsed(read: Callable[[], bytes], *, keep_texts: bool) -> object:
    content = read().removeprefix(BOM_UTF8)  # an editor has saved it
    if keep_texts:
        return orjson.loads(content)
    content = _without_texts(content)
    data = orjson.loads(content)
    if isinstance(data, dict) and isinstance(data.get("measurement"), dict):
        data["measurement"]["generated"] = []
    return all_printable(data) if _may_be_obeyed(content) else data


def _may_be_obeyed(content: bytes) -> bool:
    """Whether the file needs a second look: quick scans, since a single pattern takes five times as long."""
    if b"\x7f" in content or (b"\\" in content and ESCAPED.search(content)):
        return True
    return not content.isascii() and CODED.search(content) is not None


def _without_texts(content: bytes) -> bytes:
    """A record as it is written, without its texts, which are most of what there is to parse; others as they are.

    Within a text every quotation mark has a backslash before it, so that neither mark can be part of one.
    """
    start = content.find(TEXTS)
    end = content.rfind(AFTER_TEXTS)
    return content if not 0 <= start < end else content[: start + len(TEXTS)] + content[end:]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Records hold no cycles, and looking for some again and again takes longer than reading them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
