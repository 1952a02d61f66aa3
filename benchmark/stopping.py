"""A job that is told to stop: by whom, and time enough to say so."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from benchmark.record import FailureKind
from benchmark.slurm import parse_job

WARNING = signal.SIGUSR2
"""What SLURM sends some time before the time limit, since submitit asks it to."""
HEARD = (signal.SIGTERM, WARNING, signal.SIGINT)
ASK_S = 2.0
"""How long the scheduler may take to say why; a job that was told to stop has few seconds left."""


class Stopped(KeyboardInterrupt):
    """The process was told to stop. Like Ctrl-C, it passes by whatever catches errors."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@contextmanager
def told_to_stop() -> Iterator[None]:
    """Within, a signal to end raises `Stopped` once; those that follow are ignored, so that a record can be written."""
    before = {each: signal.getsignal(each) for each in HEARD}
    for each in (signal.SIGTERM, WARNING):
        signal.signal(each, _stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for each in HEARD:
        signal.signal(each, signal.SIG_IGN)
    if number == WARNING:
        raise Stopped(FailureKind.timeout, "the job's time limit is near: raise hydra.launcher.timeout_min")
    raise Stopped(*_why(_asked()))


def _why(facts: dict[str, str]) -> tuple[FailureKind, str]:
    """What a SIGTERM means, by what the scheduler says of this job."""
    state = facts.get("JobState", "")
    if state == "TIMEOUT":
        return FailureKind.timeout, "the job's time limit is reached: raise hydra.launcher.timeout_min"
    if state == "PREEMPTED" or facts.get("PreemptTime", "None") not in {"None", "N/A", "Unknown"}:
        return FailureKind.preempted, "preempted by another job"
    if state == "CANCELLED":
        return FailureKind.cancelled, "the job was cancelled"
    return FailureKind.killed, "the process was told to end (SIGTERM)"


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
