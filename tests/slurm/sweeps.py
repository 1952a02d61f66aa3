"""A sweep of twelve grid points that something happens to in the middle, and what must be true afterwards."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import sync
from benchmark.store.mlflow_tracker import RECORD, Tracker
from crossover.records.load import load
from crossover.records.record import Record
from tests.paths import ROOT
from tests.slurm.lab import Lab

HOOKS = Path(__file__).parent / "hooks"
GRID = ("model=tiny_llama,tiny_llada", "steps=2,4,8", "batch=1,2,4", "length=32", "warmup=0", "repeats=1")
TINY = ("prompts.count=1", "judge=none")
ON_SLURM = ("hardware=slurm_cpu", "hydra.launcher.mem_gb=1", "hydra.launcher.partition=main")
HERE = ("hardware=local",)
LOOK_S = "0.5"
"""How often a driver looks at its jobs at least: these sweeps are short."""
POINTS = 12
DONE = 8
"""Points that are done when a fault comes: two more run then, and two wait."""

VICTIM = "tiny_llada K=4 B=4 N=32"
"""The first point that is not done."""
PATIENCE_S = 150.0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Where a point was when its fault came."""

    pid: int
    node: str
    job: str


@dataclass(kw_only=True)
class Driver:
    """A running `python -m benchmark`, and all that it printed."""

    process: "subprocess.Popen[bytes]"
    output: Path

    def wait(self, seconds: float = PATIENCE_S) -> str:
        """All that it said, once it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the driver still ran after {seconds:.0f} s and said:\n{self.said}") from None
        return self.said

    @property
    def said(self) -> str:
        """All that it said so far."""
        return self.output.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@dataclass(kw_only=True)
class Study:
    """One output folder, one command that is given again and again, one experiment in the store.

    Attributes:
        host: the name that this machine is made to have for the commands, if it is to have another.
    """

    lab: Lab
    folder: Path
    uri: str
    experiment: str
    hardware: tuple[str, ...] = ON_SLURM
    overrides: tuple[str, ...] = ()
    host: str = ""
    before: Mapping[Path, str] = field(default_factory=dict)
    drivers: list[Driver] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        """Its records."""
        return Journal(output_dir=self.folder / "outputs")

    @property
    def plan(self) -> Path:
        """Its faults."""
        return self.folder / "faults"

    def prepare(self, template: Path) -> None:
        """Lay down the records of the points that are done, as an earlier call of the command left them."""
        self.plan.mkdir(parents=True)
        self.journal.prepare()
        for file in done_first(template):
            shutil.copy2(file, self.journal.folder)
        self.remember()

    def remember(self) -> None:
        """Take note of the records as they are now: nothing may change them."""
        self.before = {file: digest(file) for file in self.journal.folder.glob("*.json")}

    def start(self, *more: str) -> Driver:
        """Give the command."""
        output = self.folder / f"driver-{len(self.drivers) + 1}.txt"
        command = [
            *(sys.executable, "-m", "benchmark", "-m", *GRID, *TINY, f"output_dir={self.folder / 'outputs'}"),
            *(f"tracking.uri={self.uri}", f"tracking.experiment={self.experiment}"),
            *(*self.hardware, *self.overrides, *more),
        ]
        with output.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        self.drivers.append(Driver(process=process, output=output))
        return self.drivers[-1]

    def stop(self) -> None:
        """Leave nothing of a failed test to the next."""
        for driver in self.drivers:
            if driver.process.poll() is None:
                driver.kill()
                self.lab.clear()

    def again(self, *more: str) -> Driver:
        """Give the same command again, to its end."""
        driver = self.start(*more)
        driver.wait()
        return driver

    @property
    def site(self) -> Path:
        """Programs that stand before SLURM's own, as some sites have them."""
        return self.folder / "site"

    def wrap(self, program: str, *lines: str) -> None:
        """Have a program of SLURM run behind a wrapper, which runs these lines of shell first."""
        self.site.mkdir(exist_ok=True)
        file = self.site / program
        real = shutil.which(program, path=self.lab.environment["PATH"])
        file.write_text("\n".join(["#!/bin/sh", *lines, f'exec {real} "$@"', ""]))
        file.chmod(0o755)

    def status(self) -> str:
        """What `python -m benchmark.status` shows."""
        command = [sys.executable, "-m", "benchmark.status", str(self.folder / "outputs")]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    @property
    def environment(self) -> dict[str, str]:
        """As a user's, with the lab's SLURM, and the faults for those who look."""
        return (
            os.environ
            | self.lab.environment
            | {"PATH": os.pathsep.join((str(self.site), self.lab.environment["PATH"]))}
            | ({"CROSSOVER_HOST": self.host} if self.host else {})
            | {
                "PYTHONPATH": os.pathsep.join((str(HOOKS), str(ROOT))),
                "CROSSOVER_FAULTS": str(self.plan),
                "CROSSOVER_LOOK_S": LOOK_S,
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "120",
            }
        )

    def ask(self, action: str, name: str = VICTIM) -> None:
        """Have something happen to a point, once."""
        (self.plan / f"{name}.do").write_text(action)

    def reached(self, name: str = VICTIM) -> Facts:
        """Wait until it happens."""
        file = self.plan / f"{name}.reached"
        until(f"{name} runs", file.is_file)
        return Facts(**json.loads(file.read_text()))

    def release(self, name: str = VICTIM) -> None:
        """Let a point that hangs go on."""
        (self.plan / f"{name}.go").touch()

    def records(self) -> list[Record]:
        """All that can be read."""
        return list(load(self.journal.folder.glob("*.json")).records)

    def measured(self) -> Counter[str]:
        """How many measurements each point has, by its name."""
        return Counter(record.name for record in self.records() if record.measurement is not None)

    def failures(self, name: str = VICTIM) -> list[str]:
        """The kinds of failure that a point has had."""
        return [r.failure.kind.value for r in self.records() if r.failure is not None and r.name == name]

    def tracker(self) -> Tracker:
        """The store."""
        return Tracker(self.uri, self.experiment, self.folder / "outputs" / "artifacts")

    def runs(self) -> list[Any]:
        """The store's runs, after a synchronisation that left nothing out."""
        synced = sync(self.journal, self.tracker())
        assert synced.reason is None
        assert sync(self.journal, self.tracker()).line() == ""
        from mlflow import MlflowClient

        client: Any = MlflowClient(tracking_uri=self.uri)
        experiment = client.get_experiment_by_name(self.experiment)
        return list(client.search_runs([experiment.experiment_id]))


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found after a fault: what must be 0 is 0 when nothing is wrong."""

    points: int
    lost: int
    doubled: int
    touched: int

    @property
    def holds(self) -> bool:
        """Whether each of all points has exactly one measurement and one run, and nothing older was touched."""
        return self == Proof(points=POINTS, lost=0, doubled=0, touched=0)


def prove(study: Study) -> Proof:
    """Count, in the journal and in the store."""
    records = study.records()
    keys = {record.key for record in records}
    measured = Counter(record.key for record in records if record.measurement is not None)
    runs = Counter(run.data.tags["key"] for run in study.runs())
    finished = {run.data.tags[RECORD] for run in study.runs() if run.info.status == "FINISHED"}
    names = {file.stem for file in study.journal.folder.glob("*.json")}
    assert finished <= names, finished - names
    return Proof(
        points=len(keys),
        lost=sum(1 for key in keys if not measured[key] or not runs[key]) + max(0, POINTS - len(keys)),
        doubled=sum(1 for key in keys if measured[key] > 1 or runs[key] > 1) + max(0, len(runs) - len(keys)),
        touched=sum(1 for file, before in study.before.items() if not file.is_file() or digest(file) != before),
    )


def done_first(folder: Path) -> list[Path]:
    """The records of a whole sweep's first points, in its order."""
    files = sorted(folder.glob("*.json"))
    named = {load([file]).records[0].name: file for file in files}
    order = [f"tiny_llama B={batch} N=32" for batch in (1, 2, 4)]
    order += [f"tiny_llada K={steps} B={batch} N=32" for steps in (2, 4, 8) for batch in (1, 2, 4)]
    assert sorted(order) == sorted(named), "the grid's names have changed"
    assert order[DONE] == VICTIM
    return [named[name] for name in order[:DONE]]


def digest(file: Path) -> str:
    """What a file holds, in short."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def until(what: str, holds: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s until {what}"
        time.sleep(0.1)


def line_with(words: str, said: str) -> str:
    """What tells the user; several lines in their order."""
    lines = [line.strip() for line in said.splitlines() if words in line]
    assert lines, f"nothing said {words!r}:\n{said}"
    return "; then ".join(lines)


def kill(pid: int) -> None:
    """End a process as the kernel would."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def again_after_a_forgotten_job(study: Study) -> Driver:
    """A job and its driver are killed, SLURM forgets the job, and the command runs again."""
    study.ask("hang")
    driver = study.start()
    victim = study.reached()
    driver.kill()
    kill(victim.pid)
    until("the controller has forgotten the job", lambda: not study.lab.knows(victim.job))
    again = study.again()
    assert again.process.returncode == 0, again.said
    assert study.failures() == ["lost"]
    return again
