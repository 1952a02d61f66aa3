"""What is wrong with a program's options is said in one line, with a guess at what was meant."""

import pytest

from analysis.cli.main import main as analyse
from benchmark.cli.status import main as status
from benchmark.cli.sync import main as sync
from benchmark.rescore import main as rescore

NEEDED = "the following arguments are required"
HELP = "--help shows what is allowed"


@pytest.mark.parametrize(
    ("program", "words", "line"),
    [
        (
            rescore,
            "",
            f"{NEEDED}: OUTPUT_DIR, GROUP=NAME: python -m benchmark.rescore {HELP}",
        ),
        (rescore, "out", f"{NEEDED}: GROUP=NAME: python -m benchmark.rescore {HELP}"),
        (sync, "", f"{NEEDED}: OUTPUT_DIR: python -m benchmark.sync {HELP}"),
        (
            status,
            "--folow",
            f"unrecognized arguments: --folow (did you mean '--follow'?): python -m benchmark.status {HELP}",
        ),
        (
            analyse,
            "table --formt csv",
            f"unrecognized arguments: --formt (did you mean '--format'?): python -m analysis table {HELP}",
        ),
        (status, "a b", f"unrecognized arguments: b: python -m benchmark.status {HELP}"),
        (analyse, "texts --prompts 0", "--prompts 0 is not allowed: give a number of at least 1"),
        (
            analyse,
            "plot quality --output map.png",
            "--output map.png is the name of a picture: give a folder, which gets quality.svg and .png",
        ),
    ],
)
def test_it_ends_with_2_and_one_line(
    program: object, words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program(words.split())  # type: ignore[operator] # each takes its arguments
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {line}\n"


def test_a_choice_that_is_nearly_one_is_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        analyse(["plot", "qualty"])
    assert "(did you mean 'quality'?): python -m analysis plot --help" in capsys.readouterr().err


def test_without_a_command_and_without_outputs_the_commands_are_listed(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(str(tmp_path))
    with pytest.raises(SystemExit):
        analyse([])
    line = capsys.readouterr().err
    assert line.startswith("error: there is no folder outputs here: name one, python -m analysis [COMMAND] FOLDER;")
    assert "table, texts, parity, map, compare, plot, report" in line
