import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from benchmark.hardware import cpu as module
from benchmark.hardware import environment
from benchmark.hardware.cpu import busy_s, core_shares, own_cores
from tests.paths import ROOT

if not hasattr(os, "sched_getaffinity"):
    pytest.skip("only Linux tells of cores", allow_module_level=True)

STAT = """\
cpu  110 10 20 1000 50 1 2 3 4 5
cpu0 100 10 20 500 25 1 2 3 4 5
cpu3 10 0 0 500 25 0 0 0 0 0
intr 1 2
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of the cores 0 and 3, which are nobody's hyperthreads yet."""
    monkeypatch.setattr(module, "STAT", tmp_path / "stat")
    monkeypatch.setattr(module, "TOPOLOGY", tmp_path)
    (tmp_path / "stat").write_text(STAT)
    return tmp_path


def are_hyperthreads(machine: Path, core: int, others: str) -> None:
    folder = machine / f"cpu{core}" / "topology"
    folder.mkdir(parents=True)
    (folder / "thread_siblings_list").write_text(f"{others}\n")


@pytest.mark.usefixtures("machine")
def test_a_core_is_known_by_its_number_and_guests_are_not_counted_twice() -> None:
    assert busy_s(frozenset({3})) * os.sysconf("SC_CLK_TCK") == 10
    assert busy_s(frozenset({0, 3})) * os.sysconf("SC_CLK_TCK") == 100 + 10 + 20 + 1 + 2 + 3 + 10


@pytest.mark.parametrize(
    ("allowed", "own"),
    [({0}, frozenset({0})), ({0, 3}, None), ({0, 7}, None)],
    ids=["some", "all", "numbers that the system does not tell of"],
)
@pytest.mark.usefixtures("machine")
def test_cores_of_our_own_are_some_of_the_machines(
    monkeypatch: pytest.MonkeyPatch, allowed: set[int], own: frozenset[int] | None
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed)
    assert own_cores() == own


def test_who_is_on_a_cores_other_hyperthread_is_on_the_core(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "stat").write_text(STAT.replace("intr", "cpu4 1 0 0 1 0 0 0 0 0 0\nintr"))
    are_hyperthreads(machine, 0, "0,3")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert own_cores() == frozenset({0, 3})


@pytest.mark.usefixtures("machine")
def test_threads_that_are_bound_apart_have_the_cores_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    (module.STAT).write_text(STAT.replace("intr", "cpu4 1 0 0 1 0 0 0 0 0 0\nintr"))
    first = threading.get_native_id()
    monkeypatch.setattr(os, "sched_getaffinity", lambda task: {0} if task == first else {3})
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert own_cores() == frozenset({0, 3})
    finally:
        end.set()
        thread.join()


ANY: frozenset[int] = frozenset()


@pytest.mark.parametrize(
    ("near", "shares"),
    [
        ([ANY, ANY], [{0, 1, 4, 5}, {2, 3, 6, 7}]),
        ([{2, 3, 6, 7}, {0, 1, 4, 5}], [{2, 3, 6, 7}, {0, 1, 4, 5}]),
        ([{0, 1, 4, 5}, {0, 1, 4, 5}, {2, 3, 6, 7}], [{0, 4}, {1, 5}, {2, 3, 6, 7}]),
        ([{9}, ANY], [{0, 1, 4, 5}, {2, 3, 6, 7}]),
        ([{0, 4}, {0, 4}], [ANY, ANY]),
        ([{0, 1, 4, 5}, {0, 1, 2, 3}], [ANY, ANY]),
        ([ANY] * 5, [ANY] * 5),
        ([ANY], [{0, 1, 2, 3, 4, 5, 6, 7}]),
    ],
    ids=["two", "far apart", "three near two", "cores not ours", "too few", "overlapping", "more than cores", "alone"],
)
def test_each_process_gets_whole_cores_of_its_own_near_its_gpu(
    machine: Path, monkeypatch: pytest.MonkeyPatch, near: list[set[int]], shares: list[set[int]]
) -> None:
    for core in range(8):
        are_hyperthreads(machine, core, f"{core % 4},{core % 4 + 4}")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert core_shares([frozenset(each) for each in near]) == shares


def test_a_system_that_does_not_tell_has_no_cores_of_our_own(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "stat").unlink()
    assert own_cores() is None
    (machine / "stat").write_text(STAT)
    monkeypatch.delattr(os, "sched_getaffinity")
    assert own_cores() is None
    assert core_shares([ANY, ANY]) == [ANY, ANY]


PINNED = """
import json, os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
import time
from benchmark.hardware.cpu import own_cores
from benchmark.hardware.monitor import other_load
end, loads = time.monotonic() + 2.0, {"own": other_load(own_cores()), "all": other_load()}
while time.monotonic() < end:
    pass
print(json.dumps({name: load.read(2.0) for name, load in loads.items()} | {"cores": loads["own"].cores}))
"""


@pytest.mark.process
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="it takes a core for us and one for another")
def test_on_our_own_cores_neither_we_nor_a_neighbour_on_another_core_are_somebody_else() -> None:
    ours, theirs = sorted(os.sched_getaffinity(0))[:2]
    if theirs in module._hyperthreads(ours):
        pytest.skip("both are one core")
    spin = f"import os; os.sched_setaffinity(0, {{{theirs}}})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", spin]) as neighbour:
        try:
            done = subprocess.run(
                [sys.executable, "-c", PINNED, str(ours)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
        finally:
            neighbour.kill()
    foreign = json.loads(done.stdout)
    assert foreign["cores"] == 1
    assert foreign["all"] - foreign["own"] > 0.5  # the neighbour, in cores, which a busy machine makes less


def test_a_run_on_a_gpu_is_disturbed_on_its_own_cores_and_one_on_the_cpu_on_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "own_cores", lambda: frozenset(os.sched_getaffinity(0)))
    monkeypatch.setattr(environment, "current_gpu", lambda: None)
    seen = {}
    for on_gpu in (True, False):
        with environment.watch(on_gpu=on_gpu)() as watched:
            pass
        seen[on_gpu] = watched.conditions.watched_cpu_cores
    assert seen == {True: len(os.sched_getaffinity(0)), False: None}
