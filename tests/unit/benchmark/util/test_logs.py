"""Logs of jobs where the disk has no room."""

import logging
from pathlib import Path

import pytest

from benchmark.util import logs
from benchmark.util.logs import logging_to, tail


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is always full")
def test_a_line_for_which_there_is_no_room_is_lost_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(logs, "open_to_append", lambda _: Path("/dev/full").open("ab"))  # noqa: SIM115 (closed by the log)
    with logging_to(tmp_path / "log"):
        logging.getLogger().warning("nobody reads this")
    assert capfd.readouterr().err == ""


def test_a_log_holds_what_is_logged_meanwhile_and_a_wrong_line_is_shown(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with logging_to(tmp_path / "log"):
        logging.getLogger().warning("kept")
        logging.getLogger().warning("%d of %d", 1)  # noqa: PLE1206 (a mistake of ours is to be seen)
    assert "WARNING: kept" in str(tail(tmp_path / "log"))
    assert "not enough arguments" in capfd.readouterr().err
