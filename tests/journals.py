"""A journal of a test's own."""

from pathlib import Path

from benchmark.store.journal import Journal
from crossover.records.record import Record
from tests.factories import (
    a_record,
)


def written(folder: Path, record: Record | None = None) -> Path:
    """The file of a record in a journal of its own."""
    journal = Journal(output_dir=folder / "outputs")
    journal.prepare()
    return journal.write(record or a_record())
