"""What the unit tests do not run, on a GPU, on a SLURM or by hand, still imports after every change."""

from importlib import import_module

import pytest

from tests.paths import ROOT

FOLDERS = ("benchmarks", "gpu", "slurm", "smoke")
SCRIPTS = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts)
    for folder in FOLDERS
    for file in (ROOT / "tests" / folder).rglob("*.py")
    if file.name not in {"__init__.py", "__main__.py", "conftest.py"}
)


def test_every_folder_has_scripts() -> None:
    assert {script.split(".")[1] for script in SCRIPTS} == set(FOLDERS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_imports(script: str) -> None:
    try:
        import_module(script)
    except ModuleNotFoundError as error:
        if error.name != "triton":  # which a machine without a GPU need not have
            raise
        pytest.skip("this machine has no Triton")
