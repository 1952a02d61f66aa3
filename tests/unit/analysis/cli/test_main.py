import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from analysis.cli.destination import require_folder
from analysis.cli.main import main
from crossover import __version__
from crossover.errors import UserError
from crossover.printable import OBEYED
from crossover.records.machine import Verdict, Watched
from crossover.records.record import Record
from tests.factories import a_record, an_autoregressive_run
from tests.studies import a_sweep


def store(records: Sequence[Record], folder: Path) -> str:
    (folder / "records").mkdir(parents=True)
    for index, record in enumerate(records):
        (folder / "records" / f"{index}.json").write_text(record.to_json(), encoding="utf-8")
    return str(folder)


@pytest.fixture
def outputs(tmp_path: Path) -> str:
    return store(a_sweep(), tmp_path / "outputs")


def test_a_source_alone_prints_the_table(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([outputs])
    alone = capsys.readouterr().out
    main(["table", outputs])
    assert capsys.readouterr().out == alone
    assert alone.count("small") == 6


@pytest.mark.parametrize(("columns", "roomy"), [(80, False), (140, True)])
def test_a_terminal_has_the_columns_that_it_has_room_for(
    outputs: str, monkeypatch: pytest.MonkeyPatch, columns: int, *, roomy: bool
) -> None:
    console = Console(file=io.StringIO(), width=columns)
    monkeypatch.setattr("analysis.cli.table.make_console", lambda **_: console)
    with console.capture() as captured:
        main([outputs])
    assert "\u2026" not in captured.get()
    assert ("[p25, p75]" in captured.get()) is roomy


def test_the_default_source_is_outputs(
    outputs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(outputs).parent)
    main([])
    assert "causal" in capsys.readouterr().out


def test_records_folders_and_single_files_are_sources(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["table", f"{outputs}/records"])
    assert capsys.readouterr().out.count("small") == 6
    main(["table", f"{outputs}/records/0.json"])
    assert capsys.readouterr().out.count("causal") == 1


def test_the_table_is_written_for_other_programs_too(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["table", outputs, "--format", "json", "--where", "model=small", "--sort", "latency/e2e_s"])
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 6
    latencies = [row["latency/e2e_s"] for row in rows]
    assert latencies == sorted(latencies)
    main(["table", outputs, "--format", "csv", "--where", "model=small", "--sort", "latency/e2e_s"])
    read = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [float(row["latency/e2e_s"]) for row in read] == latencies
    main(["table", outputs, "--format", "md"])
    assert capsys.readouterr().out.startswith("| key |")


def test_the_version_is_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"crossover {__version__}\n"


def test_parity_prints_a_row_for_each_batch(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["parity", outputs, "--metric", "perplexity"])
    printed = capsys.readouterr().out
    assert "Steps to parity: small against causal, generative perplexity" in printed
    assert len([line for line in printed.splitlines() if line.strip().startswith(("1 ", "8 "))]) == 2


def test_runs_that_have_too_few_scores_are_named_where_nothing_else_can_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    every = a_sweep(batches=(1,))
    for index, record in enumerate(every):
        assert record.measurement is not None
        scores = record.measurement.scores if record.run.diffusion is None else ()
        unscored = replace(record, measurement=replace(record.measurement, scores=scores))
        (tmp_path / f"{index}.json").write_text(unscored.to_json())
    for given in ([], ["--metric", "perplexity"]):
        with pytest.raises(SystemExit):
            main(["parity", str(tmp_path), *given])
        said = capsys.readouterr().err
        assert "K=4 B=1 N=16: Generative perplexity: known for 0 prompts" in said
        assert "a diffusion and an autoregressive run with equal controls are needed" not in said


def test_compare_of_a_sweep_with_itself_sees_no_difference(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", outputs, outputs])
    assert (
        "B is faster in 0, slower in 0, ambiguous in 8 of 8. Verdicts are of the whole table" in capsys.readouterr().out
    )


def slowed(records: Sequence[Record], factor: float) -> list[Record]:
    """The same sweep with every latency so many times as long."""
    slower = []
    for record in records:
        assert record.measurement is not None
        samples = [replace(sample, latency_s=factor * sample.latency_s) for sample in record.measurement.samples]
        slower.append(replace(record, measurement=replace(record.measurement, samples=tuple(samples))))
    return slower


def test_compare_ends_with_status_1_where_b_is_what_must_not_be(
    outputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = store(slowed(a_sweep(), 2.0), tmp_path / "slow")
    main(["compare", outputs, slow])
    main(["compare", outputs, slow, "--fail-on", "larger", "--fail-on", "worse"])
    main(["compare", slow, outputs, "--fail-on", "slower"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["compare", outputs, slow, "--fail-on", "slower"])
    assert ended.value.code == 1
    assert "--fail-on slower: B is slower at causal B=1 N=16" in capsys.readouterr().err
    main(["compare", outputs, slow, "--fail-on", "slower", "--margin", "300"])


def test_a_table_marks_what_was_not_timed_on_a_clean_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = a_record()
    assert record.measurement is not None
    watched = Watched(verdict=Verdict.disturbed, why="CPU busy", labelled=())
    busy = replace(record, measurement=replace(record.measurement, watched=watched))
    main(["table", store([busy, a_record(an_autoregressive_run())], tmp_path / "busy")])
    printed = capsys.readouterr().out
    assert printed.count("3.00*") == 1
    assert "* disturbed: CPU busy, in small K=4 B=2 N=16" in printed


EVIL = "=small\x1b]8;;http://x\x07[/b]\u202e"
"""A model's name that commands a terminal, ends rich's markup, turns the direction of writing, and is a formula."""


def test_no_name_commands_whoever_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is spelled out on the terminal and in every file of the report; figures stay well-formed."""
    evil = [
        replace(record, name=EVIL, run=replace(record.run, model=replace(record.run.model, name=EVIL)))
        for record in a_sweep()
        if record.run.diffusion is not None
    ]
    plain = [record for record in a_sweep() if record.run.diffusion is None]
    outputs, report, picture = store([*evil, *plain], tmp_path / "outputs"), tmp_path / "report", tmp_path / "table.svg"
    main(["table", outputs, "--svg", str(picture)])
    main(["parity", outputs])
    main(["compare", outputs, outputs])
    main(["report", outputs, "--output", str(report)])
    printed = capsys.readouterr()
    files = [picture, *(file for file in report.rglob("*") if file.suffix in {".svg", ".csv", ".md", ".tex", ".html"})]
    assert {file.suffix for file in files} == {".svg", ".csv", ".md", ".tex", ".html"}
    for text in (printed.out, printed.err, *(file.read_text(encoding="utf-8") for file in files)):
        assert OBEYED.search(text) is None
    assert r"=small\x1b]8;;http://x\x07[/b]\u202e" in printed.out
    for file in files:
        if file.suffix == ".svg":
            ElementTree.parse(file)


def test_report_says_where_it_is(outputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["report", outputs, "--output", str(tmp_path / "report")])
    assert "At B=1, N=16 small" in capsys.readouterr().out
    assert (tmp_path / "report" / "report.html").is_file()


def test_a_broken_record_is_named_and_left_out(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(outputs) / "records" / "broken.json").write_text("{", encoding="utf-8")
    main(["parity", outputs])
    assert "broken.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "nowhere"], "nowhere does not exist: give an output_dir"),
        (["parity", "OUTPUTS", "--allow", "weather"], "--allow weather names no control"),
        (
            ["parity", "OUTPUTS", "--metric", "charm"],
            "--metric charm is unknown: give one of bits_per_byte",
        ),
        (["parity", "OUTPUTS", "--margin", "-1"], "--margin -1.0 is not allowed"),
        (["compare", "OUTPUTS", "OUTPUTS", "--margin", "-1"], "--margin -1 is not allowed"),
        (["table", "mlflow:"], "mlflow: names no experiment"),
        (["table", "mlflow:x", "--tracking-uri", "sqlite:///nowhere.db"], "no such file"),
    ],
)
def test_what_cannot_be_done_ends_in_one_line(
    arguments: list[str], message: str, outputs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([argument.replace("OUTPUTS", outputs) for argument in arguments])
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert printed.startswith("error: ")
    assert message in printed
    assert printed.count("\n") == 1


def test_runs_that_cannot_be_paired_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["parity", store([a_record()], tmp_path / "outputs")])
    assert "left out: small K=4 B=2 N=16" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device"), "error: No space left on device: make room, or give another folder"),
        (PermissionError(13, "Permission denied", "report"), "error: report: Permission denied"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: OSError, line: str, outputs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: object) -> None:
        raise error

    monkeypatch.setattr("analysis.cli.table.table", refused)
    with pytest.raises(SystemExit) as ended:
        main([outputs])
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip() == line


def test_a_misspelled_command_is_told_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["tabel"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "did you mean 'table'?" in said
    assert said.count("\n") == 1
    store(a_sweep(), tmp_path / "tabel")
    main(["tabel"])
    assert "causal" in capsys.readouterr().out


def test_a_text_that_one_judge_scored_twice_has_one_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = a_record()
    judge = replace(first.run.judge, content="1" * 16)  # type: ignore[type-var]  # it has a judge
    run = replace(first.run, judge=judge)
    again = replace(first, key=run.key, run=run, rescored_from=first.origin)
    main([store([first, again], tmp_path / "outputs")])
    assert capsys.readouterr().out.count("small") == 1


@pytest.mark.parametrize(
    ("words", "option"),
    [("report", "--output"), ("map", "--output"), ("plot quality", "--output"), ("table", "--svg")],
)
def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_read(
    words: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "no_such_records", option, str(file / "in" / "it")])
    assert ended.value.code == 2
    named = file / "in" / "it" if option == "--output" else file / "in"
    line = f"error: {option} {named} cannot be made, since {file} is no folder: give another, {option} NAME\n"
    assert capsys.readouterr().err == line


def test_a_read_only_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda folder, _: folder != tmp_path)
    with pytest.raises(UserError, match=f"^--output {tmp_path}/new cannot be written to: give another, --output NAME$"):
        require_folder(tmp_path / "new")
    (tmp_path / "new").mkdir()
    require_folder(tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    require_folder(Path("report"))
