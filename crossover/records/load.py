"""Read records; what is none, or is of another version, is named and left out."""

import gc
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

from crossover.errors import UserError
from crossover.printable import all_printable
from crossover.records.record import Record

TEXTS, AFTER_TEXTS = b'"generated": [', b'], "scores": ['
"""What stands before and behind a record's texts."""

ESCAPED = re.compile(rb"\\[ubfr]")
CODED = re.compile(rb"\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]")
"""How JSON in UTF-8 writes characters that a terminal obeys: with a backslash, or beyond ASCII."""

Source = tuple[str, Callable[[], bytes]]
"""The name of a record's file or run, and a function that reads it."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Records in the order of their start, and what could not be read: a line each."""

    records: tuple[Record, ...]
    rejected: tuple[str, ...]


def load(files: Iterable[Path], *, keep_texts: bool = True) -> Loaded:
    """The records in `files`."""
    return read((from_file(file) for file in files), keep_texts=keep_texts)


def read(sources: Iterable[Source], *, keep_texts: bool = True) -> Loaded:
    """The records in `sources`.

    Without `keep_texts` they are to be shown: `generated` is empty, which saves most of the memory, and what a terminal
    would obey is spelled out in the other texts.
    """
    records, rejected = [], []
    with collector_paused():
        for name, content in sources:
            try:
                records.append(_parse(content(), keep_texts=keep_texts))
            except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
                rejected.append(f"{name}: {_one_line(error)}")
    return Loaded(records=tuple(sorted(records, key=lambda record: record.started_at)), rejected=tuple(rejected))


def from_file(file: Path) -> Source:
    """A record file as a source."""
    return str(file), partial(_content_of, file)


def _content_of(file: Path) -> bytes:
    """What a regular file holds; a pipe would be waited for."""
    if file.exists() and not file.is_file():
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
    files = sorted(folder.glob("*.json"))
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


def _parse(content: bytes, *, keep_texts: bool) -> Record:
    content = content.removeprefix(BOM_UTF8)  # an editor has saved it
    if keep_texts:
        return Record.from_data(orjson.loads(content))
    content = _without_texts(content)
    data = orjson.loads(content)
    if isinstance(data, dict) and isinstance(data.get("measurement"), dict):
        data["measurement"]["generated"] = []
    return Record.from_data(all_printable(data) if _may_be_obeyed(content) else data)


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
    end = content.find(AFTER_TEXTS, start)
    return content if start < 0 or end < 0 else content[: start + len(TEXTS)] + content[end:]


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
