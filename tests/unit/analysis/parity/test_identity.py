from dataclasses import replace

from analysis.parity.identity import scored_once, told_apart
from crossover.records.record import Fingerprint, Record
from crossover.records.settings import Device
from tests.factories import a_record, a_run


def of(checkpoint: str, content: str | None = None, revision: str | None = None) -> Record:
    return a_record(a_run(model=replace(a_run().model, checkpoint=checkpoint, content=content, revision=revision)))


def labels(*records: Record) -> list[str]:
    return [record.run.model.label for record in told_apart(records)]


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
    changed = told_apart(records)
    assert [record.name for record in changed] == [record.run.name for record in changed]
    assert [record.key for record in changed] == [record.key for record in records]


def test_an_older_record_takes_the_only_content_that_is_known_of_its_weights() -> None:
    older, newer = of("a/x"), of("a/x", "1" * 16)
    assert [each.run.model.content for each in told_apart([older, newer])] == ["1" * 16] * 2
    assert [each.key for each in told_apart([older, newer])] == [older.key, newer.key]


def test_an_older_record_of_other_weights_or_of_one_of_two_is_no_part_of_the_newer_ones() -> None:
    older, newer, third = of("a/x"), of("a/x", "1" * 16), of("a/x", "2" * 16)
    other = replace(newer, fingerprint=Fingerprint(weights_sha256="b" * 64))
    assert told_apart([older, other])[0].run.model.content is None
    assert told_apart([older, newer, third])[0].run.model.content is None


def test_prompts_and_judges_are_completed_likewise() -> None:
    newer = a_record(
        replace(
            (run := a_run()),
            prompts=replace(run.prompts, content="1" * 16),
            judge=run.judge and replace(run.judge, content="2" * 16),
        )
    )
    older = told_apart([a_record(), newer])[0].run
    assert older.judge is not None
    assert (older.prompts.content, older.judge.content) == ("1" * 16, "2" * 16)


def rescored(source: Record, **changes: object) -> Record:
    """The record of `source` after its text was scored by another judge."""
    assert source.run.judge is not None
    judge = replace(source.run.judge, **changes)  # type: ignore[arg-type]  # of any field
    run = replace(source.run, judge=judge)
    return replace(source, key=run.key, run=run, rescored_from=source.origin)


def test_a_text_that_one_judge_scored_twice_is_there_once_with_the_newer_scores() -> None:
    first = a_record()
    again, with_content = rescored(first, device=Device.cpu), rescored(first, content="1" * 16)
    assert scored_once([first, with_content]) == [with_content]
    assert scored_once([with_content, first, again]) == [with_content]


def test_a_text_that_two_judges_scored_is_there_by_both() -> None:
    first = a_record()
    other = rescored(first, checkpoint="./other")
    assert scored_once([first, other]) == [first, other]


def test_two_measurements_by_one_judge_are_both_there() -> None:
    both = [a_record(), a_record(started_at="2026-03-02T12:00:00+00:00")]
    assert scored_once(both) == both
