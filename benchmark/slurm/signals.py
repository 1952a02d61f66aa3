"""Signals that tell a job to stop: what they mean, and time to write the record."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from benchmark.slurm.client import parse_job
from benchmark.util.logs import tail
from crossover.records.record import FailureKind

WARNING = signal.SIGUSR2
"""The signal that SLURM sends some time before the time limit, since submitit asks for it."""
HEARD = (signal.SIGTERM, WARNING, signal.SIGINT)
ANNOUNCEMENT = re.compile(
    r"(?:JOB|STEP) \S+ ON \S+ CANCELLED AT (?P<at>\S+)(?: DUE TO (?P<cause>[A-Z ]+)[^*]*)? \*\*\*"
)
ANNOUNCE_S = 1.0
RECENT_S = 60.0
ASK_S = 2.0
"""How long the scheduler may take to give the reason; a job that was told to stop has few seconds left."""


class Stopped(KeyboardInterrupt):
    """The process was told to stop. Like Ctrl-C, `except Exception` does not catch it."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@contextmanager
def told_to_stop() -> Iterator[None]:
    """While the body runs, the first signal to end raises `Stopped`; later ones are ignored, to write the record."""
    before = {each: signal.getsignal(each) for each in HEARD}
    for each in (signal.SIGTERM, WARNING):
        signal.signal(each, _stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold back the signals to stop while libraries are imported: some of them swallow a signal then.

    Handlers note what comes, since a signal mask holds for one thread alone: another one would take the signal.
    """
    came: list[int] = []
    before = {each: signal.getsignal(each) for each in HEARD}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if came:
            signal.raise_signal(came[0])


def _stop(number: int, _: FrameType | None) -> None:
    for each in HEARD:
        signal.signal(each, signal.SIG_IGN)
    if number == WARNING:
        raise Stopped(FailureKind.timeout, "the job's time limit is near: raise hydra.launcher.timeout_min")
    raise Stopped(*_why(_asked()))


def _why(facts: Mapping[str, str]) -> tuple[FailureKind, str]:
    """The reason of a SIGTERM, from the job's log or from the scheduler."""
    state = facts.get("JobState", "")
    cause = _announced(facts.get("StdOut"))
    if state == "TIMEOUT" or cause == "TIME LIMIT":
        return FailureKind.timeout, "the job's time limit is reached: raise hydra.launcher.timeout_min"
    is_preempted = facts.get("PreemptTime", "None") not in {"None", "N/A", "Unknown"}
    if state == "PREEMPTED" or cause == "PREEMPTION" or is_preempted:
        return FailureKind.preempted, "preempted by another job"
    if cause == "NODE FAILURE":
        return FailureKind.node_lost, "its node was given up for lost"
    if state == "CANCELLED" or cause is not None:
        return FailureKind.cancelled, "the job was cancelled"
    return FailureKind.killed, "the process was told to end (SIGTERM)"


def _announced(log: str | None) -> str | None:
    """The reason that SLURM's daemon wrote to the job's log a moment ago; empty when it gave none."""
    until = time.monotonic() + ANNOUNCE_S
    while log is not None:
        announcements = list(ANNOUNCEMENT.finditer(tail(Path(log)) or ""))
        if announcements and _is_recent(announcements[-1]["at"]):
            return announcements[-1]["cause"] or ""
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return None


def _is_recent(moment: str) -> bool:
    """Whether the line is recent: the log of a job that was started again also has the line of its earlier end."""
    try:
        said = datetime.fromisoformat(moment).astimezone()
    except ValueError:
        return False
    return abs((datetime.now(UTC) - said).total_seconds()) < RECENT_S


def _asked() -> dict[str, str]:
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return {}
    command = ["scontrol", "-o", "show", "job", job]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return parse_job(answer.stdout)
