"""The ledger of a sweep: its grid points, and which job was given which of them, on disk before any job starts.

`sweeps/ID/sweep.json` holds the points; `sweeps/ID/part-N.json` what was handed out together. Whoever comes
later, a job on its node, a second driver, `python -m benchmark.status`, reads there what the first driver knew.
"""

import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import orjson
import psutil

from benchmark.config.settings import Rerun
from benchmark.util.files import replace_file
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.structure import build


@dataclass(frozen=True, kw_only=True)
class ExpectedEnvironment:
    """What a record's environment must have been for it to count; null is not known before the run.

    Attributes:
        gpu: part of the GPU's name.
        cpu_threads: threads that PyTorch computes with.
    """

    python: str | None = None
    torch: str | None = None
    transformers: str | None = None
    crossover: str | None = None
    gpu: str | None = None
    cpu: str | None = None
    cpu_threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A grid point of a sweep; `config` is its configuration as composed, as JSON."""

    key: str
    name: str
    run: Run
    overrides: tuple[str, ...]
    config: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What all jobs of a sweep need to know. `began` is UTC, ISO 8601; a `search` spares points if it can."""

    id: str
    began: str
    output_dir: str
    tracking_uri: str | None
    experiment: str
    remote: bool
    rerun: Rerun
    skip_dominated: bool
    conditions: ExpectedEnvironment
    entries: tuple[Entry, ...]
    search: bool = False

    @property
    def folder(self) -> Path:
        """Where the ledger lies."""
        return sweeps_folder(Path(self.output_dir)) / self.id

    @property
    def logs(self) -> Path:
        """Where the jobs' logs lie."""
        return self.folder / "logs"

    @cached_property
    def indices(self) -> dict[str, int]:
        """Each point's index, by its key."""
        return {entry.key: index for index, entry in enumerate(self.entries)}

    def log(self, index: int) -> Path:
        """The log of one point."""
        return self.logs / f"{index}.log"

    def write(self) -> None:
        """Put the ledger on disk."""
        self.logs.mkdir(parents=True, exist_ok=True)
        replace_file(self.folder / "sweep.json", json.dumps(asdict(self)))

    def batches(self) -> "list[tuple[Path, PointBatch]]":
        """All that has been handed out, in order."""
        files = sorted(self.folder.glob("part-*.json"), key=lambda file: int(file.stem.removeprefix("part-")))
        return [(file, read_batch(file)) for file in files]

    def add(self, batch: "PointBatch") -> Path:
        """Note what is about to be handed out."""
        file = self.folder / f"part-{sum(1 for _ in self.folder.glob('part-*.json'))}.json"
        replace_file(file, json.dumps(asdict(batch)))
        return file

    @property
    def is_closed(self) -> bool:
        """Whether every point that was handed out has come to its end."""
        return (self.folder / "closed").exists()

    def close(self) -> None:
        """Note that nothing of this sweep is under way."""
        (self.folder / "closed").touch()

    def reopen(self) -> None:
        """Note that something is."""
        (self.folder / "closed").unlink(missing_ok=True)


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


def submitted(file: Path, job: str) -> PointBatch:
    """Note the id that SLURM gave a batch."""
    batch = replace(read_batch(file), job=job)
    replace_file(file, json.dumps(asdict(batch)))
    return batch


def read_batch(file: Path) -> PointBatch:
    """The batch in a file."""
    return build(PointBatch, orjson.loads(file.read_bytes()))


def read_sweep(output_dir: Path, name: str) -> Sweep:
    """The sweep of this name, whose folder may have been moved since.

    Raises:
        UserError: when there is none.
    """
    file = sweeps_folder(output_dir) / name / "sweep.json"
    try:
        sweep = build(Sweep, orjson.loads(file.read_bytes()))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is no sweep of this version ({error})") from error
    return replace(sweep, output_dir=str(output_dir.absolute()))


def read_sweeps(output_dir: Path) -> Iterator[Sweep]:
    """All sweeps of an output folder, oldest first; what is of another version is left out."""
    for file in sorted(sweeps_folder(output_dir).glob("*/sweep.json"), key=lambda file: file.stat().st_mtime):
        try:
            yield read_sweep(output_dir, file.parent.name)
        except UserError:
            continue


def sweeps_folder(output_dir: Path) -> Path:
    """Where the ledgers of an output folder lie."""
    return output_dir / "sweeps"
