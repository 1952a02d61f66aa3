"""The points of a sweep that were handed out together: `sweeps/ID/part-N.json`, on disk before their jobs start."""

import json
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import psutil

from benchmark.dispatch.ledger import Sweep
from benchmark.util.files import replace_file
from crossover.records.structure import build


@dataclass(frozen=True, kw_only=True)
class PointBatch:
    """Points that were handed out together: to an array of SLURM jobs, or to processes of this machine.

    Attributes:
        at: when, UTC, ISO 8601.
        tasks: the indices of the points that each task of the array runs, or each process.
        slurm: whether SLURM runs them; `job` is the array's id, null until SLURM has said it.
        host, pid, created: the driver.
    """

    at: str
    tasks: tuple[tuple[int, ...], ...]
    slurm: bool
    host: str
    pid: int
    created: float
    job: str | None = None

    def of_task(self, task: int) -> str | None:
        """The SLURM job of a task."""
        return None if self.job is None else f"{self.job}_{task}"


def packed(sweep: Sweep, indices: Sequence[int], pack: int) -> list[list[int]]:
    """Points in groups of at most `pack`, of one model each, in their order."""
    tasks: list[list[int]] = []
    for index in indices:
        model = sweep.entries[index].run.model
        if tasks and len(tasks[-1]) < pack and sweep.entries[tasks[-1][0]].run.model == model:
            tasks[-1].append(index)
        else:
            tasks.append([index])
    return tasks


def new_batch(tasks: Sequence[Sequence[int]], at: str, *, slurm: bool) -> PointBatch:
    """A batch that this process hands out."""
    process = psutil.Process()
    return PointBatch(
        at=at,
        tasks=tuple(tuple(task) for task in tasks),
        slurm=slurm,
        host=socket.gethostname(),
        pid=process.pid,
        created=process.create_time(),
    )


def add_batch(sweep: Sweep, batch: PointBatch) -> Path:
    """Write a batch to a sweep's ledger before it is handed out; the sweep is open from now on."""
    sweep.reopen()
    file = sweep.folder / f"part-{len(_files(sweep))}.json"
    replace_file(file, json.dumps(asdict(batch)))
    return file


def add_tasks(sweep: Sweep, tasks: Sequence[Sequence[int]], *, slurm: bool) -> Path:
    """Write the batch of these tasks, each a list of its points' indices, and return its file."""
    return add_batch(sweep, new_batch(tasks, datetime.now(UTC).isoformat(), slurm=slurm))


def note_job_id(file: Path, job: str) -> PointBatch:
    """Note the id that SLURM gave a batch."""
    batch = replace(read_batch(file), job=job)
    replace_file(file, json.dumps(asdict(batch)))
    return batch


def read_batch(file: Path) -> PointBatch:
    """The batch in a file."""
    return build(PointBatch, orjson.loads(file.read_bytes()))


def read_batches(sweep: Sweep) -> list[PointBatch]:
    """All batches that were handed out, in order."""
    return [read_batch(file) for file in sorted(_files(sweep), key=lambda file: int(file.stem.removeprefix("part-")))]


def _files(sweep: Sweep) -> list[Path]:
    return list(sweep.folder.glob("part-*.json"))
