import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from benchmark.slurm.signals import WARNING, Stopped, signals_held_back, told_to_stop
from crossover.records.record import FailureKind


def stopped_by(number: signal.Signals) -> Stopped:
    with pytest.raises(Stopped) as caught, told_to_stop():
        os.kill(os.getpid(), number)
    return caught.value


def scheduler_says(folder: Path, monkeypatch: pytest.MonkeyPatch, facts: str) -> None:
    file = folder / "scontrol"
    file.write_text(f"#!/bin/sh\necho 'JobId=$4 {facts}'\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "8")


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ("JobState=TIMEOUT PreemptTime=None", FailureKind.timeout),
        ("JobState=CANCELLED PreemptTime=None", FailureKind.cancelled),
        ("JobState=PREEMPTED PreemptTime=None", FailureKind.preempted),
        ("JobState=RUNNING PreemptTime=2026-03-01T12:00:00", FailureKind.preempted),
        ("JobState=RUNNING PreemptTime=None", FailureKind.killed),
    ],
)
def test_why_a_job_is_told_to_end_is_asked_of_the_scheduler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: str, kind: FailureKind
) -> None:
    scheduler_says(tmp_path, monkeypatch, facts)
    assert stopped_by(signal.SIGTERM).kind is kind


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        ("", FailureKind.cancelled),
        (" DUE TO TIME LIMIT", FailureKind.timeout),
        (" DUE TO PREEMPTION", FailureKind.preempted),
        (" DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS", FailureKind.node_lost),
    ],
)
def test_while_a_job_is_completing_its_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: str, kind: FailureKind
) -> None:
    log = tmp_path / "job.log"
    now = datetime.now(UTC).astimezone().strftime("%Y-%m-%dT%H:%M:%S")
    log.write_text(f"working\nslurmstepd-n4: error: *** STEP 22.0 ON n4 CANCELLED AT {now}{cause} ***\nsrun: waiting\n")
    scheduler_says(tmp_path, monkeypatch, f"JobState=COMPLETING PreemptTime=None StdOut={log}")
    assert stopped_by(signal.SIGTERM).kind is kind


def test_an_earlier_end_of_the_same_job_explains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "job.log"
    log.write_text("*** JOB 22 ON n4 CANCELLED AT 2026-03-01T12:00:00 DUE TO PREEMPTION ***\n")
    scheduler_says(tmp_path, monkeypatch, f"JobState=RUNNING PreemptTime=None StdOut={log}")
    assert stopped_by(signal.SIGTERM).kind is FailureKind.killed


def test_outside_slurm_a_process_that_is_told_to_end_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert stopped_by(signal.SIGTERM).kind is FailureKind.killed


def test_the_warning_before_the_time_limit_is_a_timeout_with_advice() -> None:
    stop = stopped_by(WARNING)
    assert stop.kind is FailureKind.timeout
    assert "timeout_min" in str(stop)


def test_a_second_signal_is_not_heard_so_that_the_record_can_be_written() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, WARNING, signal.SIGINT)]
    with told_to_stop():
        with pytest.raises(Stopped):
            os.kill(os.getpid(), WARNING)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, WARNING, signal.SIGINT)] == before


def test_it_passes_by_whatever_catches_errors() -> None:
    assert not issubclass(Stopped, Exception)


def test_a_signal_that_comes_while_signals_are_held_back_is_heard_afterwards() -> None:
    reached: list[str] = []

    def interrupted() -> None:
        with told_to_stop(), signals_held_back():
            os.kill(os.getpid(), WARNING)
            reached.append("the end")

    with pytest.raises(Stopped):
        interrupted()
    assert reached == ["the end"]


def test_it_is_held_back_too_where_another_thread_takes_it() -> None:
    finished = Event()
    other = Thread(target=finished.wait)
    other.start()
    reached: list[str] = []

    def interrupted() -> None:
        with told_to_stop(), signals_held_back():
            assert other.ident is not None
            signal.pthread_kill(other.ident, WARNING)
            deadline = time.monotonic() + 0.2
            while time.monotonic() < deadline:
                pass
            reached.append("the end")

    try:
        with pytest.raises(Stopped):
            interrupted()
    finally:
        finished.set()
        other.join()
    assert reached == ["the end"]


def test_a_signal_that_is_ignored_stays_ignored_while_signals_are_held_back() -> None:
    before = signal.signal(WARNING, signal.SIG_IGN)
    try:
        with signals_held_back():
            os.kill(os.getpid(), WARNING)
    finally:
        signal.signal(WARNING, before)
