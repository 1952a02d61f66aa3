"""How a program ends when what it prints cannot arrive."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from rich.live import Live

from analysis.cli.main import main as analyse
from crossover.errors import UserError
from crossover.outlet import READER_LEFT, ending_when_unwritable, require_working_folder, unwritable
from crossover.terminal import ending_in_one_line, make_console, say, write


@contextmanager
def printing_to(output: TextIO) -> Iterator[None]:
    """Standard output goes there; pytest's own would come back before a test that a fixture set it for."""
    with pytest.MonkeyPatch.context() as patch, output:
        patch.setattr(sys, "stdout", output)
        yield


def unread() -> TextIO:
    """A pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", encoding="utf-8")


def full() -> TextIO:
    """A file on a full disk."""
    return Path("/dev/full").open("w", encoding="utf-8")


def in_a_table() -> None:
    with Live(console=make_console(), auto_refresh=False) as live:
        live.update("a table", refresh=True)


PRINTING: list[Callable[[], object]] = [
    lambda: say(make_console(), "a line"),
    lambda: write("a few rows"),
    lambda: write("many rows\n" * 10_000),
    lambda: sys.stdout.write("help of a library"),
    lambda: sys.stdout.write("help of a library\n" * 10_000),
    lambda: analyse(["--help"]),
    in_a_table,
]


@pytest.mark.parametrize("program", PRINTING)
def test_a_reader_that_leaves_ends_any_program_without_a_word(
    program: Callable[[], object], capsys: pytest.CaptureFixture[str]
) -> None:
    with printing_to(unread()):
        with pytest.raises(SystemExit) as ended, ending_when_unwritable(), ending_in_one_line(str):
            program()
        sys.stdout.write("what follows goes nowhere")
        sys.stdout.flush()
    assert ended.value.code == READER_LEFT
    assert capsys.readouterr().err == ""


def test_a_reader_that_leaves_is_no_failure_that_a_sweep_would_go_on_after() -> None:
    """A sweep catches whatever `Exception` a launcher raises."""
    with printing_to(unread()), pytest.raises(BaseException) as raised:  # noqa: PT011 - any
        say(make_console(), "a line")
    assert not isinstance(raised.value, Exception)


def test_another_pipe_that_breaks_is_an_error() -> None:
    with pytest.raises(BrokenPipeError), ending_when_unwritable():
        raise BrokenPipeError(errno.EPIPE, "of a server")


@pytest.mark.parametrize("program", [PRINTING[index] for index in (0, 1, 3, 6)])
def test_a_full_disk_is_one_line(program: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    with printing_to(full()), pytest.raises(SystemExit) as ended, ending_when_unwritable(), ending_in_one_line(str):
        program()
    assert ended.value.code == 2
    line = "what is printed cannot be written (No space left on device): make room there, or send the output elsewhere"
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_full_disk_is_the_user_s_to_mend() -> None:
    with printing_to(full()), pytest.raises(UserError):
        say(make_console(), "a line")


def test_a_terminal_that_was_closed_stops_no_program() -> None:
    """Without its user's protection the signal that comes with it would have."""
    assert unwritable(OSError(errno.EIO, "Input/output error")) is None


def test_a_program_without_outputs_prints_into_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `>&- 2>&-`, where files that are opened later must not take the outputs' places."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with ending_when_unwritable():
        print("a line")
        print("an error", file=sys.stderr)
        assert sys.stdout.name == sys.stderr.name == os.devnull
    sys.stdout.close()
    sys.stderr.close()


def test_a_working_folder_that_was_deleted_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    require_working_folder()
    monkeypatch.chdir(tmp_path)
    tmp_path.rmdir()
    with pytest.raises(SystemExit) as ended:
        require_working_folder()
    tmp_path.mkdir()
    assert ended.value.code == 2
    line = "the current folder was deleted: go to one that exists, and give the command again"
    assert capsys.readouterr().err == f"error: {line}\n"
