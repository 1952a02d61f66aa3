"""Claims: which process measures a grid point now, so that no two do, on machines that share only files.

Claims of a key are numbered files. Each is made once, by an exclusive link, and never deleted: the highest number
holds. A process that finds the holder gone makes the next number, and only one process can make it. A job that lost
its node and runs on finds a higher number than its own, and drops its result.
"""

import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import orjson

from benchmark.dispatch.processes import Identity, Process, lives, own_process
from benchmark.slurm.client import SchedulerDownError, Slurm, is_here
from benchmark.util.files import make_file, replace_file
from benchmark.util.no_links import read_bytes
from crossover.records.identifiers import check_moment
from crossover.records.structure import build

JOB = re.compile(r"[0-9]+(_[0-9]+)?")
"""A job of SLURM, or a task of an array."""
LEASE_S = 3600.0
"""How long a holder may be silent whose state nobody here can ask. It shows signs of life between samples only."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The holder of a claim: a process, or the SLURM job that it is part of, started for the nth time."""

    host: str
    pid: int
    created: float
    sweep: str
    since: str
    job: str | None = None
    restarts: int = 0
    released: bool = False
    identity: Identity | None = None

    def __post_init__(self) -> None:
        """Refuse what is no time, and what is no job: SLURM's programs are asked about it, and logs are named by it.

        Raises:
            ValueError: naming it.
        """
        check_moment("since", self.since)
        if self.job is not None and not JOB.fullmatch(self.job):
            raise ValueError(f"job {self.job[:40]!r} is none")

    @property
    def process(self) -> Process:
        """The process."""
        return Process(host=self.host, pid=self.pid, created=self.created, identity=self.identity)

    @property
    def name(self) -> str:
        """The job or the process, in words."""
        return f"SLURM job {self.job}" if self.job else f"process {self.pid} on {self.host}"

    def __str__(self) -> str:
        return f"{self.name} since {self.since[:19]}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim that this process holds, until it is released or another process finds this one gone."""

    path: Path
    owner: Owner

    @property
    def holds(self) -> bool:
        """Whether no other process has taken over."""
        return not os.path.lexists(_numbered(self.path, _number(self.path) + 1))

    def renew(self) -> None:
        """Show a sign of life."""
        os.utime(self.path, follow_symlinks=os.utime not in os.supports_follow_symlinks)

    def release(self) -> None:
        """Let others have it."""
        replace_file(self.path, json.dumps(asdict(replace(self.owner, released=True))))


IsAlive = Callable[[Owner, float], bool]
"""Whether an owner is alive, by its name and the seconds since its last sign of life."""


class Claims:
    """The claims below an output folder. One that only looks writes nothing, and goes by this machine's clock."""

    def __init__(self, output_dir: Path, is_alive: IsAlive | None = None, *, only_looks: bool = False) -> None:
        self._folder = output_dir / "claims"
        self._is_alive = is_alive or alive
        self._only_looks = only_looks

    def take(self, key: str, owner: Owner) -> Claim | Owner:
        """The claim on a key; or its owner, if another process holds it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number = 0
        while True:
            while os.path.lexists(self._path(key, number + 1)):
                number += 1
            holder = self._holder(key, number, owner)
            if holder is not None:
                return holder
            if _make(self._path(key, number + 1), owner):
                return Claim(path=self._path(key, number + 1), owner=owner)
            number += 1

    def holder(self, key: str) -> Owner | None:
        """The owner that measures a key at the moment, if there is one."""
        owner = self.last(key)
        return None if owner is None else self._holder(key, self._last_number(key), None)

    def last(self, key: str) -> Owner | None:
        """The last owner of a key."""
        number = self._last_number(key)
        return _read(self._path(key, number)) if number else None

    def owners(self, key: str) -> list[Owner]:
        """All owners that a key has had and whose claims can be read, first to last."""
        owners = (_read(self._path(key, number)) for number in range(1, self._last_number(key) + 1))
        return [owner for owner in owners if owner is not None]

    def _last_number(self, key: str) -> int:
        number = 0
        while os.path.lexists(self._path(key, number + 1)):
            number += 1
        return number

    def _holder(self, key: str, number: int, asking: Owner | None) -> Owner | None:
        path = self._path(key, number)
        owner = _read(path) if number else None
        if owner is None or owner.released or _is_earlier_start(owner, asking):
            return None
        return owner if self._is_alive(owner, self._silence_s(path)) else None

    def _silence_s(self, path: Path) -> float:
        """Seconds since a claim's last sign of life, by the clock of the file system."""
        heard = path.lstat().st_mtime
        if self._only_looks:
            return time.time() - heard
        with tempfile.NamedTemporaryFile(dir=self._folder) as now:
            return Path(now.name).stat().st_mtime - heard

    def _path(self, key: str, number: int) -> Path:
        return self._folder / f"{key}.{number}"


def this_process(sweep: str, job: str | None = None, restarts: int = 0) -> Owner:
    """This process as an owner; `job` when the scheduler's job ends with it."""
    process = own_process()
    return Owner(
        host=process.host,
        pid=process.pid,
        created=process.created,
        identity=process.identity,
        sweep=sweep,
        since=datetime.now(UTC).isoformat(),
        job=job,
        restarts=restarts,
    )


def alive(owner: Owner, silence_s: float) -> bool:
    """Whether an owner is alive: by the scheduler, by its process on this machine, or by its signs of life."""
    if owner.job is not None and is_here():
        try:
            return not Slurm().states([owner.job])[owner.job].is_over
        except SchedulerDownError:
            return silence_s < LEASE_S
    known = lives(owner.process) if owner.job is None else None
    return silence_s < LEASE_S if known is None else known


def _is_earlier_start(owner: Owner, asking: Owner | None) -> bool:
    """Whether the holder is the job that asks, before the scheduler started it again."""
    return (
        asking is not None and asking.job is not None and owner.job == asking.job and owner.restarts < asking.restarts
    )


def _make(path: Path, owner: Owner) -> bool:
    """Make a claim's file, unless there is one."""
    try:
        make_file(path, json.dumps(asdict(owner)))
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> Owner | None:
    """The owner in a claim's file; None when it holds none, or is not complete a moment after it appeared."""
    for _ in range(5):
        try:
            return build(Owner, orjson.loads(read_bytes(path)))
        except OSError:  # a link, or a file that this user may not read
            return None
        except (ValueError, OverflowError):
            time.sleep(0.1)
    return None


def _number(path: Path) -> int:
    return int(path.suffix.removeprefix("."))


def _numbered(path: Path, number: int) -> Path:
    return path.with_suffix(f".{number}")
