"""What all commands begin with: reading records, with a bar on the way, and naming those that are left out."""

import gc
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from rich.progress import track

from analysis.cli.reading.in_two import read_in_two
from analysis.cli.reading.source import MLFLOW, sources
from analysis.parity.identity import scored_once
from analysis.statistics.summary import summary, with_metrics
from crossover.errors import UserError
from crossover.records.load import Loaded, Source, collector_paused, read
from crossover.terminal import make_console, say

T = TypeVar("T")
MOST_NAMED = 20
"""Runs left out that are named on the terminal; the report names more."""

MANY = 2000
"""From this many files on, a second process helps to read them: its start takes a third of a second."""


def load_records(
    names: Sequence[str], tracking_uri: str, *, keep_texts: bool = False, for_tables: bool = False
) -> Loaded:
    """The records that `names` stand for, with their texts if asked; what is no record is named on the way.

    Many records `for_tables` come with their metrics, which the second process then computes of half of them.

    Of a text that the same scorers scored twice, the newest scores are there.

    Raises:
        UserError: when there is none at all.
    """
    with collector_paused():
        unread = sources(names, tracking_uri)
        if keep_texts or not _are_many_files(names, unread):
            loaded = read(with_progress(unread, "reading"), keep_texts=keep_texts)
        else:
            loaded = read_in_two(unread, keep=with_metrics if for_tables else None, track=with_progress)
        _leave_in_memory(loaded)
    return _known(names, loaded)


def load_summaries(names: Sequence[str], tracking_uri: str) -> Loaded:
    """The same records without texts, as their summaries.

    Raises:
        UserError: when there is none at all.
    """
    with collector_paused():
        unread = sources(names, tracking_uri)
        if _are_many_files(names, unread):
            loaded = read_in_two(unread, keep=summary, track=with_progress)
        else:
            loaded = read(with_progress(unread, "reading"), keep_texts=False, keep=summary)
        _leave_in_memory(loaded)
    return _known(names, loaded)


def _are_many_files(names: Sequence[str], unread: Sequence[Source]) -> bool:
    return len(unread) >= MANY and not any(name.startswith(MLFLOW) for name in names)


def _leave_in_memory(loaded: Loaded) -> None:
    """Until the process ends: no collection looks at its millions of values, and they are not freed one by one."""
    ring: list[object] = [loaded]
    ring.append(ring)  # nothing but a collection could free it
    gc.freeze()


def _known(names: Sequence[str], loaded: Loaded) -> Loaded:
    """The records, each text's newest scores alone; what is no record is named."""
    name_left_out(loaded.rejected)
    if not loaded.records:
        raise UserError(f"{', '.join(names)}: no file there is a record of this version")
    return replace(loaded, records=tuple(scored_once(loaded.records)))


def name_left_out(lines: Sequence[str]) -> None:
    """Print the first of the lines on stderr, and how many more there are."""
    shown = [f"left out: {line}" for line in lines[:MOST_NAMED]]
    more = [f"left out: {len(lines) - MOST_NAMED:,} more"] if len(lines) > MOST_NAMED else []
    say(make_console(stderr=True), *shown, *more)


def with_progress(items: Sequence[T], what: str) -> Iterable[T]:
    """The items; on a terminal, with a bar that shows how many have been taken."""
    console = make_console(stderr=True)
    return track(items, what, console=console, transient=True, disable=not console.is_terminal)
