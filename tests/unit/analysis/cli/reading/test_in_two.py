"""Two processes read what one reads, in the same order."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.cli.reading import in_two, loading
from analysis.cli.reading.in_two import Track, read_in_two
from analysis.cli.reading.loading import load_records, load_summaries
from analysis.cli.reading.source import STORE
from analysis.statistics.summary import WithMetrics, figures_of, summary
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


@pytest.mark.parametrize("load", [load_records, load_summaries, partial(load_records, for_tables=True)])
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
    many = load([str(tmp_path)], STORE)
    assert list(map(figures_of, many.records)) == list(map(figures_of, few.records))
    assert [each.run for each in many.records] == [each.run for each in few.records]
    assert many.rejected == few.rejected
    assert asked == [5]


def test_the_metrics_for_a_report_are_computed_where_its_many_records_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 5)

    def here(sources: Sequence[Source], *, keep: Callable[[Record], Record] | None = None, track: Track) -> Loaded:
        return read(track(sources, ""), keep_texts=False, keep=keep)

    monkeypatch.setattr(loading, "read_in_two", here)
    monkeypatch.setattr(loading, "MANY", 5)
    for_tables, plain = (load_records([str(tmp_path)], STORE, for_tables=each) for each in (True, False))
    assert all(isinstance(each, WithMetrics) for each in for_tables.records)
    assert not any(isinstance(each, WithMetrics) for each in plain.records)
