from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.cli.main import main
from analysis.cli.texts import differences
from crossover.records.record import Record
from crossover.records.texts import Generated
from tests.studies import a_sweep


def writing(record: Record, *continuations: str) -> Record:
    """The record with these texts, of prompts 0, 1 and so on."""
    texts = tuple(
        Generated(prompt_id=f"p{index}", prompt=f"It began {index}", continuation=text, reference="and so", tokens=(1,))
        for index, text in enumerate(continuations)
    )
    assert record.measurement is not None
    return replace(record, measurement=replace(record.measurement, generated=texts))


def outputs(folder: Path, records: Sequence[Record]) -> str:
    (folder / "records").mkdir()
    for index, record in enumerate(records):
        (folder / "records" / f"{index}.json").write_text(record.to_json(), encoding="utf-8")
    return str(folder)


def test_texts_stand_side_by_side_with_the_true_continuation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, *_ = a_sweep()
    main(["texts", outputs(tmp_path, [writing(first, "a dog", "x"), writing(second, "a cat", "y")])])
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if "dog" in line)
    assert "and so" in row
    assert "a cat" in row
    assert "It began 0" in printed
    assert "It began 1" not in printed, "one prompt unless more are asked for"


def test_brackets_in_a_text_are_no_markup_and_nothing_commands_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["texts", outputs(tmp_path, [writing(a_sweep()[0], "[bold]a[/x] \x1b[2J")])])
    printed = capsys.readouterr().out
    assert "[bold]a[/x]" in printed
    assert "\x1b[2J" not in printed


def test_a_difference_is_between_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = outputs(tmp_path, [writing(each, "a dog ran") for each in a_sweep()])
    with pytest.raises(SystemExit) as ended:
        main(["texts", folder, "--diff"])
    assert ended.value.code == 2
    assert "--diff compares two runs, and here are 8" in capsys.readouterr().err
    main(["texts", folder, "--diff", "--where", "batch=1", "--where", "model=small", "--where", "steps<=4"])
    assert "a dog ran" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a dog ran", "a dog ran", "a dog ran"),
        ("a dog ran", "a cat ran", "a [-dog-]{+cat+} ran"),
        ("a dog", "a dog ran", "a dog{+ ran+}"),
        ("so a dog", "a dog", "[-so -]a dog"),
    ],
)
def test_a_difference_marks_words_that_go_and_words_that_come(before: str, after: str, shown: str) -> None:
    assert differences(before, after) == shown


def test_runs_without_texts_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["texts", outputs(tmp_path, [writing(a_sweep()[0])])])
    assert "no run here has texts" in capsys.readouterr().err
