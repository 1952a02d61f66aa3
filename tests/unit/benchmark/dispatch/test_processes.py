"""A process is known by its kernel: no change of the clock or of the host's name makes it look dead, or alive."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmark.dispatch import processes
from benchmark.dispatch.claims import Claim, Claims, Owner, this_process
from benchmark.dispatch.processes import Process, lives, own_process

ME = own_process()
IDENTITY = ME.identity
pytestmark = pytest.mark.skipif(IDENTITY is None, reason="this kernel gives no id to a start of the machine")


def known(**changes: object) -> Process:
    """This process, with another identity."""
    assert IDENTITY is not None
    return replace(ME, identity=replace(IDENTITY, **changes))  # type: ignore[arg-type]  # of any field


def test_a_clock_that_steps_does_not_make_a_living_process_look_dead() -> None:
    assert lives(replace(ME, created=ME.created - 3600))
    assert lives(replace(ME, created=ME.created + 3600))


def test_a_host_that_was_renamed_knows_its_processes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "renamed")
    assert lives(ME)
    assert lives(known(start_ticks=1)) is False


def test_another_process_with_the_same_number_is_another(tmp_path: Path) -> None:
    assert lives(known(start_ticks=1)) is False
    dead = replace(this_process("one"), identity=known(start_ticks=1).identity)
    assert isinstance(Claims(tmp_path).take("key", dead), Claim)
    assert isinstance(Claims(tmp_path).take("key", this_process("two")), Claim)
    assert isinstance(Claims(tmp_path).take("key", this_process("three")), Owner)


def test_a_machine_that_has_started_again_has_no_process_of_before() -> None:
    assert lives(known(boot="another")) is False


def test_of_another_machine_nothing_is_known() -> None:
    assert lives(replace(known(boot="another"), host="elsewhere")) is None


def test_containers_of_one_machine_that_number_their_processes_anew_cannot_tell() -> None:
    assert lives(known(namespace="pid:[1]")) is None
    assert lives(replace(known(namespace="pid:[1]"), host="container")) is None


@pytest.mark.process
def test_a_process_that_ended_is_dead_before_and_after_its_parent_has_heard_of_it() -> None:
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as child:
        fields = processes._stat(child.pid)
        assert fields is not None
        ended = replace(known(start_ticks=int(fields[processes.START_TICKS])), pid=child.pid)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert lives(ended) is False
    assert lives(ended) is False


def test_a_name_with_brackets_and_spaces_does_not_move_the_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "7 (a) b (c) S " + " ".join(str(number) for number in range(4, 30))
    monkeypatch.setattr(processes, "_read", lambda _: line)
    fields = processes._stat(7)
    assert fields is not None
    assert (fields[processes.STATE], fields[processes.START_TICKS]) == ("S", "22")


def test_a_process_that_is_hidden_from_this_user_may_live(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(processes, "_stat", lambda _: None)
    monkeypatch.setattr("os.kill", refuse)
    assert lives(ME) is None


def test_what_an_earlier_version_wrote_is_judged_by_the_clock() -> None:
    created = psutil.Process().create_time()
    assert lives(replace(ME, identity=None, created=created))
    assert lives(replace(ME, identity=None, created=created - 100)) is False
    assert lives(replace(ME, identity=None, host="elsewhere")) is None


def test_a_number_that_no_process_can_have_is_dead() -> None:
    assert lives(replace(ME, pid=2**62)) is False
    assert lives(replace(ME, pid=2**62, identity=None)) is False
