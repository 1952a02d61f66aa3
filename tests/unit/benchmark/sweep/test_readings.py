"""What a sweep of twelve points composes, writes and reads, from its command line to its table, in this process."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl

from benchmark.cli.main import main
from benchmark.dispatch.ledger import SweepReader
from benchmark.execution import pipeline
from benchmark.store.journal import Journal
from benchmark.util.files import replace_file
from benchmark.util.no_links import read_bytes
from crossover.records.record import Record
from crossover.records.run import Run
from tests.factories import a_record

GRID = ("-m", "model=tiny_llama,tiny_llada", "batch=1,2", "steps=2,4,8,16,32", "tracking=none", "hardware=cpu")
POINTS = 12
BY_HYDRA = 2
"""Compositions before a sweeper is asked: whether the command is a sweep, and the configuration of Hydra itself."""
CHOICES_OF_GROUPS = 2
"""The models: their points differ in values alone."""


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a configuration was composed, the journal listed, and each file read and written by its name."""
    counts: Counter[str] = Counter()
    files, compose = Journal.files, ConfigLoaderImpl.load_configuration

    def counting_read(path: Path) -> bytes:
        counts[f"read {path.name}"] += 1
        return read_bytes(path)

    def counting_list(journal: Journal, keys: set[str]) -> dict[str, Path]:
        counts["listed"] += 1
        return files(journal, keys)

    def counting_write(path: Path, text: str) -> None:
        counts[f"written {path.name}"] += 1
        replace_file(path, text)

    def counting_compose(*arguments: Any, **options: Any) -> Any:
        counts["composed"] += 1
        return compose(*arguments, **options)

    for reader in ("benchmark.store.record_index", "benchmark.dispatch.ledger"):
        monkeypatch.setattr(f"{reader}.read_bytes", counting_read)
    monkeypatch.setattr(Journal, "files", counting_list)
    monkeypatch.setattr("benchmark.dispatch.ledger.replace_file", counting_write)
    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counting_compose)
    return counts


def measured(run: Run, *, sweep: str, **_: object) -> Record:
    now = datetime.now(UTC).isoformat()
    return a_record(run, sweep=sweep, environment=None, started_at=now, finished_at=now)


def sweep(folder: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> None:
    monkeypatch.setattr("sys.argv", ["benchmark", *GRID, f"output_dir={folder}", *overrides])
    main()


def records_read(counts: Counter[str], folder: Path) -> list[int]:
    """How often each record was read."""
    return [counts[f"read {file.name}"] for file in (folder / "records").glob("*.json")]


def test_a_sweep_composes_once_a_choice_of_groups_and_reads_each_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: Counter[str]
) -> None:
    monkeypatch.setattr(pipeline, "execute", measured)
    sweep(tmp_path, monkeypatch)
    assert counted["composed"] == BY_HYDRA + CHOICES_OF_GROUPS <= POINTS
    assert (counted["written sweep.json"], counted["read sweep.json"]) == (1, 0)
    assert records_read(counted, tmp_path) == [1] * POINTS
    assert counted["listed"] == POINTS + len(("of an older version", "what was there", "before", "after", "at the end"))
    (ledger_of_sweep,) = SweepReader(tmp_path).all()
    overrides = [each for point in ledger_of_sweep.entries for each in point.overrides]
    assert {each.partition("=")[0] for each in overrides} == {
        *("model", "batch", "steps", "tracking", "hardware", "output_dir")
    }

    counted.clear()
    sweep(tmp_path, monkeypatch)
    assert counted["composed"] == BY_HYDRA + CHOICES_OF_GROUPS
    assert (counted["written sweep.json"], counted["read sweep.json"]) == (1, 0)
    assert records_read(counted, tmp_path) == [1] * POINTS
    assert counted["listed"] == len(("of an older version", "what was there", "before", "at the end"))

    counted.clear()
    sweep(tmp_path, monkeypatch, "rerun=all")
    assert records_read(counted, tmp_path) == [1] * 2 * POINTS
