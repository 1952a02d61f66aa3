"""Processes of this machine that run points: how they end, and how they are ended."""

import signal
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.dispatch import backends
from benchmark.dispatch.context import sweep_context
from tests.sweeps import a_sweep

DEAF = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(200)"


@pytest.mark.process
def test_a_process_that_does_not_heed_ctrl_c_is_killed_and_the_interruption_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(backends, "END_S", 0.5)
    before, began = signal.signal(signal.SIGALRM, interrupt), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 2.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            backends._in_a_process([sys.executable, "-c", DEAF], tmp_path / "log")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - began < 100


@pytest.mark.process
@pytest.mark.parametrize(
    ("script", "ended", "said"),
    [
        ("raise SystemExit(3)", 3, None),
        ("raise ImportError('no such library')", 1, "ImportError: no such library"),
        ("import os; os.kill(os.getpid(), 9)", -9, None),
    ],
)
def test_how_a_process_ended_is_told_and_what_it_complained_of_is_kept(
    tmp_path: Path, script: str, ended: int, said: str | None
) -> None:
    log = tmp_path / "log"
    assert backends._in_a_process([sys.executable, "-c", script], log) == ended
    assert log.exists() == (said is not None)
    assert said is None or said in log.read_text()


def test_a_process_ended_by_a_status_or_by_a_signal() -> None:
    by_status, by_signal = backends.process_state(3), backends.process_state(-15)
    assert (by_status.exit_status, by_status.signal) == (3, None)
    assert (by_signal.exit_status, by_signal.signal) == (0, 15)
    assert "exit status 3" in by_status.failure[1]
    assert "signal 15" in by_signal.failure[1]


def test_a_reader_that_leaves_a_process_has_left_its_driver_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both print to one output, and the next process would measure a point that nobody reads of."""
    sweep = a_sweep(tmp_path)
    started: list[object] = []

    def left(command: object, _: Path) -> int:
        started.append(command)
        return 141

    monkeypatch.setattr(backends, "_in_a_process", left)
    context = sweep_context(sweep, Console(quiet=True))
    with pytest.raises(SystemExit) as ended:
        backends.isolated(context, [0, 1], pack=1)
    assert (ended.value.code, len(started)) == (141, 1)
