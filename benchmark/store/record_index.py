"""An index of a journal's records. It reads each file once, since a record's file never changes.

Listing the folder takes little time and reading a record takes a millisecond. So a sweep lists often, and reads each
file when it is new.
"""

from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from benchmark.store.journal import BROKEN, Journal
from benchmark.util.no_links import read_bytes
from crossover.records.load import Source, read
from crossover.records.record import Record


class RecordIndex:
    """The records of a journal that were read so far, without their texts."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._records: dict[str, Record] = {}
        self._rejected: dict[str, str] = {}
        self._try_again: set[str] = set()

    def refresh(self, keys: Collection[str]) -> None:
        """List the folder, read the files of these runs that are new, and forget those that are gone."""
        files = self.journal.files(keys)
        self._forget(
            {name for name in self._records.keys() | self._rejected.keys() if _key(name) in keys} - files.keys()
        )
        self._forget(self._try_again & files.keys())
        for name in files.keys() - self._records.keys() - self._rejected.keys():
            self._read(name, files[name])

    def of(self, keys: Collection[str]) -> list[Record]:
        """The records of these runs as of the last `refresh`, in the order of their start."""
        records = [record for name, record in self._records.items() if _key(name) in keys]
        return sorted(records, key=lambda record: record.started_at)

    def names(self, keys: Collection[str]) -> tuple[str, ...]:
        """The names of these runs' records as of the last `refresh`, without their endings."""
        return tuple(sorted(Path(name).stem for name in self._records if _key(name) in keys))

    def set_aside_broken(self, keys: Collection[str]) -> list[str]:
        """Rename the files of these runs that cannot be read. Returns a line for each."""
        lines = []
        for name in sorted(name for name in self._rejected if _key(name) in keys):
            file = self.journal.folder / name
            with suppress(FileNotFoundError):  # another process was faster
                file.rename(file.with_name(name + BROKEN.removeprefix(".json")))
            lines.append(f"set aside, since it cannot be read, and run again: {self._rejected[name]}")
            self._forget({name})
        return lines

    def _read(self, name: str, file: Path) -> None:
        try:
            content = read_bytes(file.parent.resolve() / file.name)
        except FileNotFoundError:  # it was renamed or removed since the folder was listed
            return
        except OSError as error:  # a network file system may recover
            self._rejected[name] = f"{file}: {error}"
            self._try_again.add(name)
            return
        source: Source = (str(file), lambda: content)
        loaded = read([source], keep_texts=False)
        if not loaded.records:
            self._rejected[name] = loaded.rejected[0]
        elif _key(name) == loaded.records[0].key == loaded.records[0].run.key:
            self._records[name] = loaded.records[0]
        else:  # it would count for a point that it does not measure
            self._rejected[name] = f"{file}: its key is not the one of its run"

    def _forget(self, names: Collection[str]) -> None:
        for name in names:
            self._records.pop(name, None)
            self._rejected.pop(name, None)
            self._try_again.discard(name)


def _key(name: str) -> str:
    return name.partition("-")[0]
