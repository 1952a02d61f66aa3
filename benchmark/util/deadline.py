"""Wait for a bounded time for something that may never answer, and let one writer in at a time."""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.05


class DeadlineError(Exception):
    """An action took longer than it may."""


class Deadline:
    """A moment on the monotonic clock after which nothing new is begun."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds until then, or 0."""
        return max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Return, as long as there is time.

        Raises:
            DeadlineError: when it has passed.
        """
        if not self.left_s:
            raise DeadlineError(f"no answer within {self.seconds:.0f} s")


def within(deadline: Deadline, action: Callable[[], T]) -> T:
    """Call `action`, and return or raise what it does.

    It runs in a thread, which is abandoned when it takes too long. The thread checks the same deadline, so that it
    begins nothing more when the answer that it waits for comes late.

    Raises:
        DeadlineError: at the deadline.
    """
    done: list[T] = []
    raised: list[BaseException] = []

    def work() -> None:
        try:
            done.append(action())
        except BaseException as error:  # noqa: BLE001 (raised again, in the thread that asked)
            raised.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(deadline.left_s)
    if raised:
        raise raised[0]
    if not done:
        raise DeadlineError(f"no answer within {deadline.seconds:.0f} s")
    return done[0]


@contextmanager
def alone_with(file: Path, deadline: Deadline) -> Iterator[None]:
    """Lock `file` against all other processes that call this, on any machine that shares it.

    The lock is the kernel's and ends with its process. Where a file system knows no locks, or the file may not be
    written to, there is none.

    Raises:
        DeadlineError: when another holds it until the deadline.
    """
    try:
        handle = file.open("rb+")  # network file systems lock only what may be written
    except OSError:
        yield
        return
    with handle:
        while not _lock(handle.fileno()):
            deadline.check()
            time.sleep(POLL_S)
        yield


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # no locks here: sync finds and removes the doubles that this may lead to
        return True
    return True
