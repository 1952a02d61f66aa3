import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from benchmark.dispatch.claims import LEASE_S, Claim, Claims, Owner, alive, this_process
from benchmark.dispatch.processes import process_is_alive
from tests.paths import ROOT
from tests.sweeps import an_owner

KEYS = [f"key{number}" for number in range(40)]
RACER = """
import random, sys
from pathlib import Path
from benchmark.dispatch.claims import Claim, Claims, this_process
keys = sys.argv[2].split(",")
claims = Claims(Path(sys.argv[1]), is_alive=lambda owner, silence: owner.sweep == "alive")
print("ready", flush=True)
sys.stdin.readline()
for key in keys:
    if isinstance(claims.take(key, this_process("alive")), Claim):
        print(key, flush=True)
"""


def nobody(_: Owner, __: float) -> bool:
    return False


def everybody(_: Owner, __: float) -> bool:
    return True


def take(claims: Claims, owner: Owner) -> Claim:
    claim = claims.take("key", owner)
    assert isinstance(claim, Claim)
    return claim


def race(folder: Path, racers: int = 4) -> Counter[str]:
    """How often each key was taken by processes that all ask for all keys at once."""
    command = [sys.executable, "-c", RACER, str(folder), ",".join(KEYS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(racers)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    outputs = [process.communicate("go\n", timeout=60)[0] for process in processes]
    return Counter(key for output in outputs for key in output.split())


@pytest.mark.process
def test_of_processes_that_race_for_a_key_one_alone_gets_it(tmp_path: Path) -> None:
    assert race(tmp_path) == Counter(KEYS)


@pytest.mark.process
def test_of_processes_that_find_the_holder_gone_one_alone_takes_over(tmp_path: Path) -> None:
    for key in KEYS:
        assert isinstance(Claims(tmp_path).take(key, an_owner(sweep="gone")), Claim)
    assert race(tmp_path) == Counter(KEYS)


def test_what_a_living_holder_has_is_refused_with_its_name(tmp_path: Path) -> None:
    take(Claims(tmp_path, everybody), an_owner(job="7_1"))
    refused = Claims(tmp_path, everybody).take("key", an_owner(pid=2))
    assert isinstance(refused, Owner)
    assert str(refused) == "SLURM job 7_1 since 2026-03-01T12:00:00"


def test_what_was_released_is_anybodys(tmp_path: Path) -> None:
    claims = Claims(tmp_path, everybody)
    take(claims, an_owner()).release()
    assert claims.holder("key") is None
    assert take(claims, an_owner(pid=2)).holds


def test_who_was_taken_for_gone_learns_that_it_was(tmp_path: Path) -> None:
    first = take(Claims(tmp_path), an_owner())
    second = take(Claims(tmp_path, nobody), an_owner(pid=2))
    assert (first.holds, second.holds) == (False, True)
    first.release()
    assert Claims(tmp_path, everybody).holder("key") == an_owner(pid=2)


def test_a_job_that_was_started_again_takes_its_own_claim(tmp_path: Path) -> None:
    claims = Claims(tmp_path, everybody)
    take(claims, an_owner(job="7_1", restarts=0))
    assert isinstance(claims.take("key", an_owner(job="7_1", restarts=0)), Owner)
    assert isinstance(claims.take("key", an_owner(job="7_2", restarts=1)), Owner)
    assert take(claims, an_owner(job="7_1", restarts=1)).holds


def test_this_process_lives_and_one_that_ended_or_had_its_number_does_not() -> None:
    me = this_process("sweep")
    assert alive(me, silence_s=1e9)
    assert not process_is_alive(me.pid, me.created - 100)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not process_is_alive(ended.pid, me.created)


def test_a_process_of_another_machine_lives_as_long_as_it_gives_signs_of_life() -> None:
    assert alive(an_owner(host="elsewhere"), silence_s=LEASE_S / 2)
    assert not alive(an_owner(host="elsewhere"), silence_s=LEASE_S * 2)


def test_signs_of_life_are_counted_from_the_last_one(tmp_path: Path) -> None:
    heard: list[float] = []
    claim = take(Claims(tmp_path), an_owner())
    os.utime(claim.path, (0, 0))

    def listen(_: Owner, silence_s: float) -> bool:
        heard.append(silence_s)
        return True

    claims = Claims(tmp_path, listen)
    claims.holder("key")
    claim.renew()
    claims.holder("key")
    assert heard[0] > LEASE_S
    assert heard[1] < 60


def test_silence_is_counted_by_the_file_systems_clock_but_by_one_that_only_looks_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent_s: list[float] = []

    def is_alive(_: Owner, silence_s: float) -> bool:
        silent_s.append(silence_s)
        return True

    take(Claims(tmp_path), an_owner())
    years_s = 1e8
    now_s = time.time()
    monkeypatch.setattr(time, "time", lambda: now_s + years_s)
    assert Claims(tmp_path, is_alive).holder("key") == an_owner()
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda **_: pytest.fail("wrote a file"))
    assert Claims(tmp_path, is_alive, only_looks=True).holder("key") == an_owner()
    by_file_system, by_this_machine = silent_s
    assert by_file_system < 60 < years_s - 60 < by_this_machine
