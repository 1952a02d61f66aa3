"""Scoring a journal again, as the command does."""

import io
from dataclasses import replace
from typing import Any

from rich.console import Console

from benchmark.cli.rescore import Request, rescore_folder
from benchmark.store.journal import Journal
from crossover.records.load import load
from crossover.records.record import Record
from crossover.records.settings import Device


def a_request(**changes: Any) -> Request:
    return replace(Request(judge=None, encoder=None, device=Device.cpu), **changes)


def rescored(journal: Journal, request: Request) -> tuple[str, list[Record]]:
    """What a person reads, and the records that were made."""
    output = Console(file=io.StringIO(), width=200)
    rescore_folder(journal.output_dir, request, output)
    made = [record for record in load(journal.folder.glob("*.json")).records if record.rescored_from is not None]
    assert isinstance(output.file, io.StringIO)
    return output.file.getvalue(), made
