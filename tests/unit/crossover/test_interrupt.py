"""Ctrl-C while a program is still being imported ends it with one line."""

import runpy
import signal
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec

import pytest

from crossover.interrupt import leaving_when_interrupted
from crossover.terminal import ending_in_one_line


class Interrupting:
    """A finder of modules at whose turn somebody presses Ctrl-C."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        if name == self._module:
            signal.raise_signal(signal.SIGINT)
        return None


def ends_in_one_line(program: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        program()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    ("program", "module"),
    [
        ("benchmark.__main__", "benchmark.cli.main"),
        ("analysis.__main__", "analysis.cli.main"),
        ("benchmark.status", "benchmark.cli.status"),
        ("benchmark.sync", "benchmark.cli.sync"),
        ("benchmark.rescore", "benchmark.cli.rescore"),
    ],
)
def test_ctrl_c_during_the_import_of_a_program_ends_it_with_one_line(
    program: str, module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delitem(sys.modules, program, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(module), *sys.meta_path])
    monkeypatch.setattr("os._exit", sys.exit)
    monkeypatch.setattr(sys, "argv", [program, "outputs", "judge=tiny"])
    ends_in_one_line(lambda: runpy.run_module(program, run_name="__main__"), capsys)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_that_the_shell_has_switched_off_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.getsignal", lambda _: signal.SIG_IGN)
    monkeypatch.setattr("signal.signal", lambda *_: pytest.fail("it was switched on"))
    with leaving_when_interrupted():
        pass


def test_ctrl_c_later_ends_it_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    def program() -> None:
        with ending_in_one_line(lambda _: None):
            raise KeyboardInterrupt

    ends_in_one_line(program, capsys)
