import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.util.child_python import ROOT, python_command, safe_variables, shell_command
from crossover.records.load import load
from tests.programs import ENVIRONMENT, QUICK, benchmark


def test_a_checkout_is_named_and_what_means_the_working_folder_is_left_out() -> None:
    assert safe_variables({})["PYTHONPATH"] == str(ROOT)
    assert safe_variables({"PYTHONPATH": ":/a:.:/b:"})["PYTHONPATH"] == f"{ROOT}:/a:/b"
    assert safe_variables({"PYTHONPATH": f"/a:{ROOT}"})["PYTHONPATH"] == f"/a:{ROOT}"
    assert safe_variables({"PYTHONPATH": "/a"}, Path("/x/site-packages"))["PYTHONPATH"] == "/a"


@pytest.mark.process
def test_a_shell_runs_our_module_and_keeps_the_search_path_of_its_setup(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(
        "import random, os, sys\nprint(random.seed, os.environ['PYTHONPATH'], sys.argv)"
    )
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong one')")
    command = shell_command("module", "a b", root=tmp_path / "root x")
    done = subprocess.run(
        ["bash", "-c", f"export PYTHONPATH='{tmp_path}/elsewhere:{tmp_path}/sub/..'; {command}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "the wrong one" in done.stderr  # the user's own search path has it
    (tmp_path / "random.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "module.py").rename(tmp_path / "elsewhere" / "module.py")
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong one')")
    done = subprocess.run(
        ["bash", "-c", f"export PYTHONPATH='{tmp_path}/elsewhere'; {command}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path}/root x:{tmp_path}/elsewhere" in done.stdout
    assert "'a b'" in done.stdout


SHADOWS = ("analysis", "crossover", "records", "torch", "random", "statistics", "training", "mlflow", "hydra", "numpy")


@pytest.fixture
def shadowed(tmp_path: Path) -> Path:
    """A user's folder, whose scripts have names of ours and of libraries."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the working folder was run')")
    return tmp_path


@pytest.mark.process
@pytest.mark.parametrize("hardware", ["cpu", "isolated"])
def test_scripts_in_the_working_folder_are_not_taken_for_modules(shadowed: Path, hardware: str) -> None:
    quick = [word for word in QUICK if not word.startswith("hardware")]
    done = benchmark(shadowed, "-m", "steps=2", "judge=none", f"hardware={hardware}", *quick)
    assert done.returncode == 0, done.stderr
    (record,) = load((shadowed / "outputs" / "records").glob("*.json")).records
    assert record.measurement is not None
    for command in (["-m", "benchmark.status", "outputs"], ["-P", "-m", "analysis", "outputs"]):
        shown = subprocess.run(
            [sys.executable, *command], cwd=shadowed, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, shown.stderr


def test_a_child_does_not_search_the_working_folder(shadowed: Path) -> None:
    command = python_command("benchmark.dispatch.job", "--help")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=shadowed, env=environment | safe_variables({}), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
