"""The journal: a folder with one JSON file a record, written whole or not at all, never overwritten."""

import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmark.util.files import make_file
from crossover.errors import UserError
from crossover.records.load import Loaded, load
from crossover.records.record import Record

STAMP = "%Y%m%dT%H%M%S.%f"
BROKEN = ".json.broken"
"""How the name of a file ends that was to be a record and cannot be read."""

CLOCK_DIFFERENCE = timedelta(hours=1)
"""How far the clocks of two machines of a cluster may be apart."""


@dataclass(frozen=True, kw_only=True)
class Journal:
    """Records below `output_dir`, each named by its run's key and its start."""

    output_dir: Path

    @property
    def folder(self) -> Path:
        """Where the records lie."""
        return self.output_dir / "records"

    def prepare(self) -> None:
        """Make the folder, and make sure that files can be written there.

        Raises:
            UserError: when they cannot.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise UserError(
                f"output_dir={self.output_dir} cannot be written to ({error.strerror}): give another, output_dir=FOLDER"
            ) from error

    def path(self, key: str, started_at: str) -> Path:
        """The file of the record with this key and start, whether or not there is one."""
        return self.folder / f"{record_name(key, started_at)}.json"

    def write(self, record: Record) -> Path:
        """Put the record on disk, in one step that either happens or does not.

        Raises:
            FileExistsError: when there is a record with this key and start.
            ValueError: when a figure of it is not a number.
        """
        path = self.path(record.key, record.started_at)
        make_file(path, record.to_json())
        return path

    def of(self, keys: Collection[str]) -> Loaded:
        """All records of these runs, from one look at the folder; what cannot be read is named."""
        self._look_afresh()
        files = [file for file in self.folder.glob("*.json") if file.name.partition("-")[0] in keys]
        return load(files, keep_texts=False)

    def set_aside(self, keys: Collection[str]) -> list[str]:
        """Rename the files of these runs that cannot be read, so that they are in nobody's way; a line for each."""
        lines = []
        for file in self.folder.glob("*.json"):
            if file.name.partition("-")[0] in keys and (rejected := load([file], keep_texts=False).rejected):
                with suppress(FileNotFoundError):  # somebody else was faster
                    file.rename(file.with_name(file.name + BROKEN.removeprefix(".json")))
                lines.append(f"set aside, since it cannot be read, and run again: {rejected[0]}")
        return lines

    def fresh(self, keys: Collection[str], since: str, besides: Collection[str]) -> list[Record]:
        """The records of these runs that began after `since`, save those of the keys in `besides`."""
        self._look_afresh()
        earliest = datetime.fromisoformat(since) - CLOCK_DIFFERENCE
        wanted = set(keys) - set(besides)
        files = [file for file in self.folder.glob("*.json") if file.name.partition("-")[0] in wanted]
        return list(load(file for file in files if started(file) >= earliest).records)

    def _look_afresh(self) -> None:
        """Change the folder, so that a network file system lists what other machines have put there."""
        with suppress(OSError), tempfile.NamedTemporaryFile(dir=self.folder, suffix=".partial"):
            pass


def record_name(key: str, started_at: str) -> str:
    """What a record's file is called, without its ending."""
    return f"{key}-{datetime.fromisoformat(started_at).strftime(STAMP)}"


def started(file: Path) -> datetime:
    """When the run of a record's file began, by its name; the end of time for a name that says nothing."""
    try:
        return datetime.strptime(file.stem.partition("-")[2], STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)  # no name of ours: let the reader say what it is
