from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import crossover
from crossover.errors import UserError
from tests.paths import ROOT

pytestmark = pytest.mark.process
GRID = ["model=tiny_llada", "steps=2,100", "warmup=0", "repeats=1", "prompts.count=1", "judge=none", "tracking=none"]


def test_a_grid_returns_its_records_and_nothing_is_measured_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [f"output_dir={tmp_path}"]
    records = crossover.run([*GRID, *where])
    assert "[1/2]" in capsys.readouterr().out
    assert [record.run.diffusion and record.run.diffusion.steps for record in records] == [2, 100]
    assert records[0].measurement is not None
    assert records[1].failure is not None, "100 steps for 64 tokens are infeasible"
    assert crossover.run([*GRID, *where, "sweep.name=again"], quiet=True) == records
    assert capsys.readouterr().out == ""
    assert crossover.run([*GRID, *where, "dry_run=true"], quiet=True) == []


def test_a_wrong_command_line_raises_what_the_terminal_would_show(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="batch"):
        crossover.run([f"output_dir={tmp_path}", "batch=0"], quiet=True)
    assert not list(tmp_path.iterdir())


def test_the_notebook_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(  # type: ignore[no-untyped-call]
        ROOT / "docs" / "example.ipynb", as_version=4
    )
    NotebookClient(notebook, timeout=280, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "error"]
    assert [output for output in shown if "image/png" in output.get("data", {})], "the figure is shown"
