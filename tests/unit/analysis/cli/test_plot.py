from pathlib import Path

import pytest

from analysis.cli.main import main
from analysis.cli.parser import FIGURES
from analysis.report.write import FIGURES as OFFERED
from tests.studies import a_sweep


@pytest.fixture
def outputs(tmp_path: Path) -> str:
    (tmp_path / "records").mkdir()
    for index, record in enumerate(a_sweep()):
        (tmp_path / "records" / f"{index}.json").write_text(record.to_json(), encoding="utf-8")
    return str(tmp_path)


def test_the_names_that_are_offered_are_those_of_the_report() -> None:
    assert set(FIGURES) == set(OFFERED)


def test_a_figure_by_name_is_two_files(outputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["plot", "scaling", outputs, "--output", str(tmp_path / "figures")])
    files = capsys.readouterr().out.split()
    assert files == [str(tmp_path / "figures" / f"latency-throughput.{kind}") for kind in ("svg", "png")]
    assert all(Path(file).stat().st_size for file in files)


def test_a_figure_of_which_nothing_is_known_is_refused(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plot", "bound", outputs])
    assert "bound: nothing to draw" in capsys.readouterr().err


def test_a_wrong_name_lists_the_right_ones_in_a_line(outputs: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plot", "scalin", outputs])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "'scaling'" in error
    assert error.count("\n") == 1
