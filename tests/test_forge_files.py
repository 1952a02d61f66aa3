"""What a forge and PyPI read: issue forms, workflows, the citation, and what a source distribution holds."""

import re
import tomllib
from typing import Any

import pytest
import yaml

import crossover
from tests.paths import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ATTRIBUTES = {"label", "description", "placeholder", "value", "render"}
"""What a text area of an issue form may have; with any other, the forge shows no form."""


NOX = (ROOT / "noxfile.py").read_text(encoding="utf-8")
"""Read and not run: nox warns where its sessions are registered twice."""


def read(file: Any) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_an_issue_form_has_what_a_forge_takes_and_nothing_else(file: Any) -> None:
    form = read(file)
    assert set(form) == {"name", "description", "body"}
    for field in form["body"]:
        assert set(field) <= {"type", "id", "attributes", "validations"}
        assert field["type"] == "textarea"
        assert field["attributes"]["label"]
        assert set(field["attributes"]) <= ATTRIBUTES


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_has_jobs_whose_steps_do_something(file: Any) -> None:
    workflow = read(file)
    assert True in workflow, "`on:` is true to YAML 1.1"
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert all({"uses", "run"} & set(step) for step in job["steps"])


def test_the_release_runs_sessions_that_nox_has_for_every_supported_python() -> None:
    build = read(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["build"]
    (line,) = [step["run"] for step in build["steps"] if "nox -s" in step.get("run", "")]
    assert set(line.split(" -s ")[1].split()) <= set(re.findall(r"^def (\w+)\(session", NOX, re.MULTILINE))
    (setup,) = [step for step in build["steps"] if "setup-python" in step.get("uses", "")]
    pythons = re.findall(r'"(3\.\d+)"', NOX)
    assert setup["with"]["python-version"].split() == pythons


def test_the_citation_names_the_version_and_the_licence_of_the_package() -> None:
    citation = read(ROOT / "CITATION.cff")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == crossover.__version__
    assert citation["license"] == project["license"]


def test_a_source_distribution_holds_all_that_its_checks_read() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (code,) = re.findall(r"^CODE = \((.+)\)$", NOX, re.MULTILINE)
    assert {f"/{name}" for name in re.findall(r'"([^"]+)"', code)} <= set(
        project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    )
