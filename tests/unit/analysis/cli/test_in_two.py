"""Two processes read what one reads, in the same order."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.cli import in_two, loading
from analysis.cli.in_two import Track, read_in_two
from analysis.cli.loading import load_records, load_summaries
from analysis.cli.source import STORE
from analysis.statistics.summary import summary
from crossover.records.load import Loaded, Source, from_file, read
from crossover.records.record import Record
from tests.factories import a_record, a_run


def write(folder: Path, number: int) -> list[Source]:
    """Record files, one among them that is none."""
    for index in range(number):
        text = a_record(a_run(seed=index)).to_json()
        (folder / f"{index:02d}.json").write_text("{" if index == number // 2 else text, encoding="utf-8")
    return [from_file(file) for file in sorted(folder.iterdir())]


def untracked(items: Sequence[Any], _: str) -> Iterable[Any]:
    return items


@pytest.mark.process
def test_a_second_process_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_two, "PART", 2)
    sources = write(tmp_path, 21)
    assert read_in_two(sources, keep=summary, track=untracked) == read(sources, keep_texts=False, keep=summary)


@pytest.mark.parametrize("load", [load_records, load_summaries])
def test_many_files_are_read_in_two_and_few_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[[Sequence[str], str], Loaded]
) -> None:
    asked: list[int] = []

    def fake(sources: Sequence[Source], *, keep: Callable[[Record], Record] | None = None, track: Track) -> Loaded:
        asked.append(len(sources))
        return read(track(sources, ""), keep_texts=False, keep=keep)

    write(tmp_path, 5)
    monkeypatch.setattr(loading, "read_in_two", fake)
    few = load([str(tmp_path)], STORE)
    assert asked == []
    monkeypatch.setattr(loading, "MANY", 5)
    assert load([str(tmp_path)], STORE) == few
    assert asked == [5]
