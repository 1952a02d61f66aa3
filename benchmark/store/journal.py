"""The journal: a folder with one JSON file a record, written whole or not at all, never overwritten."""

import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmark.util.files import make_file
from benchmark.util.no_links import made_by_others
from crossover.errors import UserError
from crossover.records.identifiers import STAMP, record_name
from crossover.records.record import Record

TRIAL_BYTES = 256 * 1024
"""What a ledger and the first record need at least: a full disk still makes empty files."""
SWEEPS = "sweeps"
"""The folder of an output folder's ledgers, one folder a sweep."""
BROKEN = ".json.broken"
"""The ending of a record's file that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Journal:
    """Records below `output_dir`, each named by its run's key and its start.

    A journal that `only_looks` writes nothing, not even to see at once what other machines wrote.
    """

    output_dir: Path
    only_looks: bool = False

    @property
    def folder(self) -> Path:
        """The folder of the records."""
        return self.output_dir / "records"

    def prepare(self) -> None:
        """Make the folder, and make sure that files can be written there. A folder made in vain is removed again.

        Raises:
            UserError: when they cannot, or would lie elsewhere by a link that another user made.
        """
        if links := made_by_others(self.output_dir / name for name in ("records", "claims", "sweeps")):
            raise UserError(
                f"{links[0]} is a link that another user made, and what is written there would lie elsewhere:"
                " remove it, or give another folder, output_dir=FOLDER"
            )
        missing = [each for each in (self.folder, *self.folder.parents) if not each.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder) as trial:
                trial.write(bytes(TRIAL_BYTES))
                trial.flush()
                os.fsync(trial.fileno())
        except OSError as error:
            for made in missing:
                with suppress(OSError):
                    made.rmdir()
            raise UserError(
                f"output_dir={self.output_dir} cannot be written to ({error.strerror}): give another, output_dir=FOLDER"
            ) from error

    def path(self, replicate_key: str, started_at: str) -> Path:
        """The file of the record of this replicate and start, whether or not there is one."""
        return self.folder / f"{record_name(replicate_key, started_at)}.json"

    def write(self, record: Record) -> Path:
        """Put the record on disk in one step, whole or not at all.

        Raises:
            FileExistsError: when there is a record of this replicate and start.
            ValueError: when a figure of it is not a number.
        """
        path = self.path(record.replicate_key, record.started_at)
        make_file(path, record.to_json())
        return path

    def files(self, keys: Collection[str]) -> dict[str, Path]:
        """The files of these runs' records by name, from one look at the folder."""
        return {name: file for name, file in self.all_files().items() if name.partition("-")[0] in keys}

    def all_files(self) -> dict[str, Path]:
        """The files of all records by name, from one look at the folder."""
        if not self.only_looks:
            self._look_afresh()
        return {file.name: file for file in self.folder.glob("*.json")}

    @property
    def sweeps(self) -> set[str]:
        """The ids of the sweeps that began in this output folder."""
        return {folder.name for folder in (self.output_dir / SWEEPS).glob("*")}

    def _look_afresh(self) -> None:
        """Change the folder, so that a network file system lists what other machines have put there."""
        with suppress(OSError), tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial"):
            pass


def replicate_of(name: str) -> str:
    """The replicate's key, by the name of a record's file without its ending."""
    return name.rpartition("-")[0]


def started(file: Path) -> datetime:
    """The time at which the run of a record's file began, by the file's name; the end of time for another name."""
    try:
        return datetime.strptime(file.stem.rpartition("-")[2], STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)  # no name of ours: let the reader say what it is
