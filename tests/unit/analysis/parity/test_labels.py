from dataclasses import replace

from analysis.parity.labels import with_distinct_labels
from crossover.records.record import Record
from tests.factories import a_record, a_run


def of(checkpoint: str, content: str | None = None, revision: str | None = None) -> Record:
    return a_record(a_run(model=replace(a_run().model, checkpoint=checkpoint, content=content, revision=revision)))


def labels(*records: Record) -> list[str]:
    return [record.run.model.label for record in with_distinct_labels(records)]


def test_one_checkpoint_keeps_its_name() -> None:
    assert labels(of("a/first"), of("a/first")) == ["small", "small"]


def test_two_checkpoints_of_one_name_are_told_apart_by_their_folders() -> None:
    assert labels(of("a/first"), of("a/second/")) == ["small (first)", "small (second)"]


def test_two_folders_of_one_name_are_told_apart_by_their_whole_paths() -> None:
    assert labels(of("a/model"), of("b/model")) == ["small (a/model)", "small (b/model)"]


def test_a_checkpoint_that_was_replaced_in_place_is_told_apart_by_its_content() -> None:
    assert labels(of("a/x", "1" * 16), of("a/x", "2" * 16)) == ["small (x 111111)", "small (x 222222)"]


def test_revisions_are_told_apart() -> None:
    assert labels(of("a/x", revision="v1"), of("a/x", revision="v2")) == ["small (x@v1)", "small (x@v2)"]


def test_a_name_follows_its_label_and_a_key_does_not() -> None:
    records = [of("a/first"), of("a/second")]
    changed = with_distinct_labels(records)
    assert [record.name for record in changed] == [record.run.name for record in changed]
    assert [record.key for record in changed] == [record.key for record in records]
