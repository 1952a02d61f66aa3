import argparse
import itertools

import pytest
import torch

from tests.benchmarks.halves import halves
from tests.benchmarks.second_process import MIB, Leaving, Occupants, second_processes

ALONE = Occupants(1, 1000 * MIB)


def leaving(*seen: Occupants) -> Leaving:
    """Looks that tell of these, then of the last one for ever, a second apart."""
    looks = itertools.chain(seen, itertools.repeat(seen[-1]))
    seconds = itertools.count(0.0, 1.0)
    return Leaving(lambda: next(looks), now_s=lambda: next(seconds), sleep=lambda _: None)


def test_it_waits_until_neither_list_nor_memory_tells_of_another() -> None:
    others = leaving(Occupants(2, 1700 * MIB), Occupants(1, 1700 * MIB), Occupants(1, 1008 * MIB))
    assert others.wait(ALONE) is None
    assert others.waited_s == [3.0]


def test_what_the_driver_does_not_tell_is_not_waited_for() -> None:
    assert leaving(Occupants(None, None)).wait(ALONE) is None
    assert leaving(Occupants(2, None)).wait(ALONE) is not None


def test_after_the_limit_it_says_what_is_still_there_and_never_waits_again() -> None:
    others = leaving(Occupants(2, 1700 * MIB))
    said = others.wait(ALONE)
    assert said is not None
    assert "NVML still tells of 2 processes with 1700 MiB; before it came: 1 processes with 1000 MiB" in said
    assert others.left_s == 0.0
    others.wait(ALONE)
    assert others.waited_s[1] < 5.0


@pytest.mark.process
def test_processes_begin_when_told_and_are_gone_when_ended() -> None:
    script = 'import sys\nprint("imported", flush=True)\nsys.stdin.readline()\nprint("ready", flush=True)\ninput()'
    with second_processes(2, script) as others:
        for other in others:
            other.begin()
            other.end()
    with pytest.raises(RuntimeError, match="said '' where 'imported' was expected"), second_processes(1, "pass"):
        pass


def test_a_half_that_this_machine_cannot_run_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = halves(argparse.ArgumentParser(), [])
    assert (chosen.cpu, chosen.gpu) == (True, False)
    with pytest.raises(SystemExit) as ended:
        halves(argparse.ArgumentParser(), ["--only", "gpu"])
    assert ended.value.code == 2
    assert "--only gpu needs a CUDA GPU" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [
        (h.cpu, h.gpu) for h in (halves(argparse.ArgumentParser(), ["--only", each]) for each in ("cpu", "gpu"))
    ] == [
        (True, False),
        (False, True),
    ]
