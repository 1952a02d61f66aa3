"""How often this process was stopped and went on: by Ctrl-Z and `fg`, or by a scheduler that suspends a job.

A process is not told that it is stopped, only that it goes on. Its clocks never stop, so that a sample that was under
way looks slow.
"""

import signal
import threading
from types import FrameType


class StopCounter:
    """Counts the signals to go on."""

    def __init__(self) -> None:
        self.stops = 0

    def heard(self, _: int, __: FrameType | None) -> None:
        """Count one; a handler of the signal."""
        self.stops += 1


STOP_COUNTER = StopCounter()
"""The one of this process, which counts from the first call of `counting_stops` on."""


def counting_stops() -> StopCounter:
    """This process's counter, at work; in a thread that may set no handlers it stays as it is."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCONT, STOP_COUNTER.heard)
    return STOP_COUNTER
