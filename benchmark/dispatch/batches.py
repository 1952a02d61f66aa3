"""The points of a sweep that were handed out together: `sweeps/ID/part-N.json`, on disk before their jobs start."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import orjson

from benchmark.dispatch.ledger import NEVER_HANDED_OUT, GridPoint, Sweep
from benchmark.dispatch.processes import Identity, Process, own_process
from benchmark.util.files import replace_file
from benchmark.util.no_links import read_bytes
from crossover.errors import UserError, first_line
from crossover.records.identifiers import check_moment
from crossover.records.structure import build

NAME = re.compile(r"part-(0|[1-9][0-9]{0,8})\.json")
"""The name of a batch's file. A copy that somebody made by hand has another, and is not read."""
ARRAY = re.compile(r"[0-9]+")


@dataclass(frozen=True, kw_only=True)
class PointBatch:
    """Points that were handed out together: to an array of SLURM jobs, or to processes of this machine.

    Attributes:
        at: when, UTC, ISO 8601.
        tasks: the indices of the points that each task of the array runs, or each process.
        slurm: whether SLURM runs them; `job` is the array's id, null until SLURM has said it.
        host, pid, created, identity: the driver.
        shared: whether several processes work on each task, and claim its points one by one.
    """

    at: str
    tasks: tuple[tuple[int, ...], ...]
    slurm: bool
    host: str
    pid: int
    created: float
    job: str | None = None
    identity: Identity | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no time, and what is no array: SLURM's programs are asked about it, and logs are named by it.

        Raises:
            ValueError: naming it.
        """
        check_moment("at", self.at)
        if self.job is not None and not ARRAY.fullmatch(self.job):
            raise ValueError(f"job {self.job[:40]!r} is none")

    @property
    def driver(self) -> Process:
        """The process that handed the points out."""
        return Process(host=self.host, pid=self.pid, created=self.created, identity=self.identity)

    def of_task(self, task: int) -> str | None:
        """The SLURM job of a task."""
        return None if self.job is None else f"{self.job}_{task}"


def packed(sweep: Sweep, indices: Sequence[int], pack: int) -> list[list[int]]:
    """Points in groups of at most `pack`, of one model and one trial each, in their order."""
    tasks: list[list[int]] = []
    for index in indices:
        point = sweep.entries[index]
        if tasks and len(tasks[-1]) < pack and _go_together(sweep.entries[tasks[-1][0]], point):
            tasks[-1].append(index)
        else:
            tasks.append([index])
    return tasks


def _go_together(one: GridPoint, other: GridPoint) -> bool:
    """Whether a process may run both: a replicate is a process, so that no process runs two of them."""
    return one.run.model == other.run.model and one.replicate == other.replicate


def new_batch(tasks: Sequence[Sequence[int]], at: str, *, slurm: bool, shared: bool = False) -> PointBatch:
    """A batch that this process hands out."""
    driver = own_process()
    return PointBatch(
        at=at,
        tasks=tuple(tuple(task) for task in tasks),
        slurm=slurm,
        host=driver.host,
        pid=driver.pid,
        created=driver.created,
        identity=driver.identity,
        shared=shared,
    )


def add_batch(sweep: Sweep, batch: PointBatch) -> Path:
    """Write a batch to a sweep's ledger before it is handed out; the sweep is open from now on."""
    sweep.reopen()
    file = sweep.folder / f"part-{max(_files(sweep), default=-1) + 1}.json"
    replace_file(file, json.dumps(asdict(batch)))
    return file


def add_tasks(sweep: Sweep, tasks: Sequence[Sequence[int]], *, slurm: bool, shared: bool = False) -> Path:
    """Write the batch of these tasks, each a list of its points' indices, and return its file."""
    return add_batch(sweep, new_batch(tasks, datetime.now(UTC).isoformat(), slurm=slurm, shared=shared))


def note_job_id(file: Path, job: str) -> PointBatch:
    """Note the id that SLURM gave a batch."""
    batch = replace(read_batch(file), job=job)
    replace_file(file, json.dumps(asdict(batch)))
    return batch


def read_batch(file: Path) -> PointBatch:
    """The batch in a file.

    Raises:
        UserError: when the file holds none.
    """
    try:
        return build(PointBatch, orjson.loads(read_bytes(file)))
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(f"{file} cannot be read ({first_line(error)[:200]})") from error


@dataclass(frozen=True, kw_only=True)
class BatchesFound:
    """The batches of a sweep that can be read, in order, and a line for each file of a batch that cannot."""

    batches: tuple[PointBatch, ...]
    damaged: tuple[str, ...]


def find_batches(sweep: Sweep) -> BatchesFound:
    """All batches that were handed out. Points of a damaged file count as never handed out."""
    batches: list[PointBatch] = []
    numbered = _files(sweep)
    strays = set(sweep.folder.glob("part-*.json")) - set(numbered.values())
    damaged = [f"{file} is not read, since no batch has such a name" for file in sorted(strays)]
    for _, file in sorted(numbered.items()):
        try:
            batch = read_batch(file)
            _check_indices(batch, sweep, file)
        except UserError as error:
            damaged.append(f"{error}: {NEVER_HANDED_OUT}")
        else:
            batches.append(batch)
    return BatchesFound(batches=tuple(batches), damaged=tuple(damaged))


def _check_indices(batch: PointBatch, sweep: Sweep, file: Path) -> None:
    if any(not 0 <= index < len(sweep.entries) for task in batch.tasks for index in task):
        raise UserError(f"{file} cannot be read (it names points that the sweep does not have)")


def _files(sweep: Sweep) -> dict[int, Path]:
    """The files of batches by their numbers, whether or not they can be read."""
    matches = ((NAME.fullmatch(file.name), file) for file in sweep.folder.glob("part-*.json"))
    return {int(match[1]): file for match, file in matches if match}
