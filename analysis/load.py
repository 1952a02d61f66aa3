"""Read a journal's records; a file that is none is named and left out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmark.record import Record


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Records in the order of their start, and what could not be read: a line each."""

    records: tuple[Record, ...]
    rejected: tuple[str, ...]


def load(files: Iterable[Path]) -> Loaded:
    """The records in `files`."""
    records, rejected = [], []
    for file in files:
        try:
            records.append(Record.from_json(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            rejected.append(f"{file}: {error}")
    return Loaded(records=tuple(sorted(records, key=lambda record: record.started_at)), rejected=tuple(rejected))


def latest(records: Iterable[Record]) -> list[Record]:
    """The newest record of each run, measured ones before failed ones, in the order of first appearance."""
    best: dict[str, Record] = {}
    for record in records:
        held = best.get(record.key)
        if held is None or record.measurement is not None or held.measurement is None:
            best[record.key] = record
    return list(best.values())
