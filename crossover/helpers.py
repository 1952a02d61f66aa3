"""Processes that do a part of a program's work."""

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def helpers(number: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes. They leave Ctrl-C to this one, and at the end do no more than they have begun."""
    pool = ProcessPoolExecutor(number, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
