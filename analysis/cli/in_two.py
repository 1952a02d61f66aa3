"""Reading thousands of sources with a second process, where what is kept of each is little."""

import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from operator import attrgetter
from typing import Any

from crossover.records.load import Loaded, Source, read
from crossover.records.record import Record

PART = 100
"""Sources that a process reads at a time: a twentieth of a second, which one may wait for the other at the end."""

Track = Callable[[Sequence[Any], str], Iterable[Any]]
"""Returns the items that it is given, and shows how many of them are done."""


def read_in_two(sources: Sequence[Source], *, keep: Callable[[Record], Record], track: Track) -> Loaded:
    """What `read` gives of these sources without texts: this process reads from the front, another one from the back.

    Both the sources and what `keep` makes of a record go from one to the other.
    """
    parts = [sources[start : start + PART] for start in range(0, len(sources), PART)]
    read_part = partial(read, keep_texts=False, keep=keep)
    pool = ProcessPoolExecutor(1, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        others = [pool.submit(read_part, part) for part in reversed(parts)]
        pairs = list(zip(parts, reversed(others), strict=True))
        loaded = [_here_or_there(read_part, part, other) for part, other in track(pairs, "reading")]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Loaded(
        records=tuple(sorted(chain.from_iterable(each.records for each in loaded), key=attrgetter("started_at"))),
        rejected=tuple(chain.from_iterable(each.rejected for each in loaded)),
    )


def _here_or_there(
    read_part: Callable[[Sequence[Source]], Loaded], part: Sequence[Source], other: "Future[Loaded]"
) -> Loaded:
    """The records of a part, read here unless the other process has begun it."""
    return read_part(part) if other.cancel() else other.result()
