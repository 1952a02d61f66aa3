"""The ledger of a sweep: its grid points, on disk before any job starts, in `sweeps/ID/sweep.json`.

The sweep's driver writes the file once, and nobody changes it. A job on its node, a second driver and `python -m
benchmark.status` read there what the first driver knew. `batches.py` writes which job was given which points.

Others may write to a folder that is shared. So no file is read through a link, and every id that names a file is
checked before it does.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import orjson

from benchmark.config.settings import Rerun, Strictness
from benchmark.store.journal import SWEEPS
from benchmark.util.files import replace_file
from benchmark.util.no_links import read_bytes, touch
from crossover.errors import UserError, first_line
from crossover.records.identifiers import check_key, check_moment
from crossover.records.record import replicate_key, replicate_words
from crossover.records.run import Run
from crossover.records.structure import build

NEVER_HANDED_OUT = "its points count as never handed out; remove it when none of its jobs is left"
"""What becomes of the points of a file that cannot be read."""
CLOSED = "closed"
"""The file that says that no point of a sweep is under way."""


@dataclass(frozen=True, kw_only=True)
class ExpectedEnvironment:
    """What a record's environment must have been for it to count; null is not known before the run.

    Attributes:
        gpu: part of the GPU's name.
        cpu_threads: threads that PyTorch computes with, in sweeps from before each point had its own.
    """

    python: str | None = None
    torch: str | None = None
    transformers: str | None = None
    crossover: str | None = None
    gpu: str | None = None
    cpu: str | None = None
    cpu_threads: int | None = None


@dataclass(frozen=True, kw_only=True)
class GridPoint:
    """A point of a sweep: its run, the overrides that describe it on a command line, its configuration as JSON.

    `cpu_threads` are those that a record of it must have been computed with to count; null is not known before.
    Where a sweep measures each point in several processes, each has a point here, with its `replicate`, from 0.
    """

    key: str
    name: str
    run: Run
    overrides: tuple[str, ...]
    config: str | None = None
    cpu_threads: int | None = None
    replicate: int | None = None

    @property
    def replicate_key(self) -> str:
        """What a record of this point counts for, and what its claim is named by."""
        return replicate_key(self.key, self.replicate)

    @property
    def title(self) -> str:
        """The name to show."""
        return replicate_words(self.name, self.replicate)

    def __post_init__(self) -> None:
        """Refuse what is no key, since files are named by it.

        Raises:
            ValueError: naming it.
        """
        check_key(self.key)


def grid_point(run: Run, overrides: Sequence[str], config: str | None = None) -> GridPoint:
    """The point of a run, which says its key and its name."""
    return GridPoint(key=run.key, name=run.name, run=run, overrides=tuple(overrides), config=config)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What all jobs of a sweep need to know. `began` is UTC, ISO 8601; a `search` spares points if it can.

    `earlier` names the records of its points that were there when it began, as their files are named; null in ledgers
    of earlier versions.
    """

    id: str
    began: str
    output_dir: str
    tracking_uri: str | None
    experiment: str
    remote: bool
    rerun: Rerun
    skip_dominated: bool
    conditions: ExpectedEnvironment
    entries: tuple[GridPoint, ...]
    search: bool = False
    earlier: tuple[str, ...] | None = None
    strict: Strictness = Strictness.off

    def __post_init__(self) -> None:
        """Refuse a start that is no time.

        Raises:
            ValueError: naming it.
        """
        check_moment("began", self.began)

    @property
    def folder(self) -> Path:
        """The ledger's folder."""
        return sweeps_folder(Path(self.output_dir)) / self.id

    @property
    def logs(self) -> Path:
        """The folder of the jobs' logs."""
        return self.folder / "logs"

    @cached_property
    def indices(self) -> dict[str, int]:
        """Each point's index, by its replicate's key."""
        return {entry.replicate_key: index for index, entry in enumerate(self.entries)}

    def log(self, index: int) -> Path:
        """The log of one point."""
        return self.logs / f"{index}.log"

    def write(self) -> None:
        """Put the ledger on disk, or nothing of it.

        Raises:
            OSError: when it cannot be written.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            replace_file(self.folder / "sweep.json", json.dumps(asdict(self)))
        except OSError:
            for folder in (self.logs, self.folder):
                with suppress(OSError):  # it holds something, or was never made
                    folder.rmdir()
            raise

    @property
    def is_closed(self) -> bool:
        """Whether every point that was handed out has ended."""
        return os.path.lexists(self.folder / CLOSED)

    def close(self) -> None:
        """Note that no point of this sweep is under way."""
        touch(self.folder / CLOSED)

    def reopen(self) -> None:
        """Note that points of this sweep are under way again."""
        (self.folder / CLOSED).unlink(missing_ok=True)


def read_sweep(output_dir: Path, name: str) -> Sweep:
    """The sweep of this name, whose folder may have been moved since.

    Raises:
        UserError: when there is none.
    """
    file = sweeps_folder(output_dir) / name / "sweep.json"
    try:
        sweep = build(Sweep, orjson.loads(read_bytes(file)))
        if sweep.id != name:  # logs and records would go to another folder
            raise ValueError(f"its id is {sweep.id!r}, not its folder's name")
    except (OSError, ValueError, OverflowError, UserError) as error:
        raise UserError(f"{file} is no sweep of this version ({first_line(error)[:200]})") from error
    return replace(sweep, output_dir=str(output_dir.absolute()))


class SweepReader:
    """The sweeps of an output folder. Each sweep.json is read once, since it never changes."""

    def __init__(self, output_dir: Path) -> None:
        self._output_dir = output_dir
        self._read: dict[str, Sweep | None] = {}
        self._unreadable: dict[str, str] = {}

    @property
    def unreadable(self) -> list[str]:
        """A line for each ledger that was left out."""
        return list(self._unreadable.values())

    def all(self) -> list[Sweep]:
        """All sweeps, oldest first; those that cannot be read are left out."""
        sweeps = (self._sweep(folder) for folder in self._folders())
        return [sweep for sweep in sweeps if sweep is not None]

    def open(self, *, besides: str) -> list[Sweep]:
        """The sweeps that may have points under way, but for the one with the id `besides`."""
        folders = [each for each in self._folders() if each.name != besides and not os.path.lexists(each / CLOSED)]
        sweeps = (self._sweep(folder) for folder in folders)
        return [sweep for sweep in sweeps if sweep is not None]

    def _folders(self) -> list[Path]:
        written: dict[Path, float] = {}
        for file in sweeps_folder(self._output_dir).glob("*/sweep.json"):
            with suppress(OSError):  # it was removed since the folder was listed
                written[file.parent] = file.lstat().st_mtime
        return sorted(written, key=lambda folder: written[folder])

    def _sweep(self, folder: Path) -> Sweep | None:
        if folder.name not in self._read:
            try:
                self._read[folder.name] = read_sweep(self._output_dir, folder.name)
            except UserError as error:
                self._unreadable[folder.name] = f"{error}: {NEVER_HANDED_OUT}"
                if isinstance(error.__cause__, OSError):  # a network file system may recover
                    return None
                self._read[folder.name] = None
            else:
                self._unreadable.pop(folder.name, None)
        return self._read[folder.name]


def sweeps_folder(output_dir: Path) -> Path:
    """The folder of an output folder's ledgers."""
    return output_dir / SWEEPS
