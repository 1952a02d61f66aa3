import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.paths import ROOT

PACKAGES = ("crossover", "analysis", "benchmark", "hydra_plugins", "training")
"""Each imports only from those before it."""
ANALYSIS = ("statistics", "parity", "report", "cli")
BENCHMARK = (
    *("util", "models", "tasks", "slurm", "hardware", "config", "engines", "store", "decoders", "roofline", "quality"),
    *("measurement", "execution", "harness", "dispatch", "sweep", "cli"),
)
"""Storeys of a package: each imports only from those before it. The package's root comes last."""
DOOR = {"crossover"}
"""What a user imports: it hands on functions of other packages, when one is asked for."""
HEAVY = {"torch", "transformers", "mlflow", "bert_score"}


def module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}


@cache
def imports(name: str) -> frozenset[str]:
    """All that a module of the program imports."""
    return imports_of(FILES[name])


def imports_of(file: Path) -> frozenset[str]:
    """All that a file imports, at its top or inside a function, in full: module or module.name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} uses a relative import: write the whole name"
            assert node.module is not None
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def libraries(name: str) -> set[str]:
    return {imported.partition(".")[0] for imported in imports(name)}


def own(name: str) -> set[str]:
    """The project's modules that a module imports."""
    candidates = {*imports(name)} | {imported.rpartition(".")[0] for imported in imports(name)}
    return (candidates & FILES.keys()) - set(PACKAGES)  # a package's root says its version


def below(*packages: str) -> list[str]:
    return [name for name in FILES if name.startswith(tuple(f"{package}." for package in packages)) or name in packages]


def storey(name: str, storeys: tuple[str, ...]) -> int:
    """Where a module of a package with storeys lives; its root is above them all."""
    folder = name.split(".")[1] if name.count(".") else ""
    return storeys.index(folder) if folder in storeys else len(storeys)


def test_the_modules_are_found() -> None:
    assert {"crossover.records.run", "benchmark.decoders.diffusion", "analysis.statistics.metrics"} <= FILES.keys()
    assert own("crossover.records.policies") == {"crossover.errors"}


def test_no_modules_import_each_other() -> None:
    order = list(TopologicalSorter({name: own(name) - {name} for name in FILES}).static_order())  # raises on a cycle
    assert order.index("crossover.records.run") < order.index("benchmark.decoders.diffusion")
    assert order.index("benchmark.decoders.diffusion") < order.index("benchmark.execution.pipeline")


@pytest.mark.parametrize("index", range(len(PACKAGES)), ids=PACKAGES)
def test_no_package_imports_one_that_comes_after_it(index: int) -> None:
    allowed = {name for earlier in PACKAGES[: index + 1] for name in below(earlier)}
    for name in set(below(PACKAGES[index])) - DOOR:
        assert own(name) <= allowed, name


@pytest.mark.parametrize(("package", "storeys"), [("analysis", ANALYSIS), ("benchmark", BENCHMARK)])
def test_no_storey_imports_one_above_it(package: str, storeys: tuple[str, ...]) -> None:
    steps_up = [
        f"{name} imports {imported}"
        for name in below(package)
        for imported in own(name)
        if imported.startswith(f"{package}.") and storey(imported, storeys) > storey(name, storeys)
    ]
    assert not steps_up


@pytest.mark.parametrize(("package", "storeys"), [("analysis", ANALYSIS), ("benchmark", BENCHMARK)])
def test_every_folder_is_a_storey(package: str, storeys: tuple[str, ...]) -> None:
    folders = {file.parent.name for file in (ROOT / package).glob("*/*.py")}
    assert folders == set(storeys)


def test_no_storeys_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for name in FILES:
        if name.count(".") > 1:  # modules of a package's root are entrances, which start from anywhere
            needed = {".".join(each.split(".")[:2]) for each in own(name)}
            graph.setdefault(".".join(name.split(".")[:2]), set()).update(needed)
    TopologicalSorter({folder: needed - {folder} for folder, needed in graph.items()}).prepare()


def test_tests_mirror_the_folders() -> None:
    folders = {file.parent.relative_to(ROOT) for file in FILES.values()}
    for test in sorted((ROOT / "tests" / "unit").rglob("test_*.py")):
        assert test.parent.relative_to(ROOT / "tests" / "unit") in folders, test


def test_no_test_imports_another() -> None:
    """What several tests need stands beside them, in a module that is no test."""
    tests = {module(file): file for file in sorted((ROOT / "tests").rglob("*.py"))}
    named = [(name, imported) for name, file in tests.items() for imported in imports_of(file)]
    assert not [each for each in named if re.search(r"\btests\.(.*\.)?test_", each[1])]


def test_records_are_plain_data_of_the_standard_library_read_by_orjson() -> None:
    for name in below("crossover.records"):
        reader = {"orjson"} if name == "crossover.records.load" else set()
        assert libraries(name) - {"crossover"} <= sys.stdlib_module_names | reader, name


def test_the_analysis_knows_neither_models_nor_configuration() -> None:
    for name in below("analysis"):
        heavy = HEAVY - {"mlflow"} if name == "analysis.cli.reading.mlflow_source" else HEAVY
        assert not libraries(name) & (heavy | {"hydra", "omegaconf"}), name


def test_decoders_read_no_clock_and_write_no_log() -> None:
    for name in below("benchmark.decoders"):
        assert not libraries(name) & {"time", "logging", "datetime", "mlflow", "hydra"}, name
        assert not {imported for imported in own(name) if "clock" in imported or "measure" in imported}, name


def test_hydra_stops_at_the_edge() -> None:
    users = {name for name in FILES if libraries(name) & {"hydra", "omegaconf"}}
    assert users <= {
        "benchmark.cli.main",
        "benchmark.cli.messages",
        "benchmark.sweep.prepare",
        "benchmark.config.convert",
        "benchmark.config.declaring",
        "benchmark.config.schema",
        "benchmark.config.variant",
        "hydra_plugins.crossover.choosing",
        "hydra_plugins.crossover.composing",
        "hydra_plugins.crossover.grid_sweeper",
        "hydra_plugins.crossover.launchers",
        "hydra_plugins.crossover.launching",
        "hydra_plugins.crossover.parity_sweeper",
    }


def test_mlflow_is_known_where_records_are_sent_and_where_they_are_fetched() -> None:
    users = {name for name in FILES if "mlflow" in libraries(name)}
    sending = {"benchmark.store.mlflow_tracker", "benchmark.store.mlflow_database"}
    assert users == {*sending, "analysis.cli.reading.mlflow_source"}


def test_measuring_knows_no_model_no_store_and_no_configuration() -> None:
    unknown = re.compile(r"benchmark\.(models|engines|store|config|quality|execution|dispatch|sweep|cli)\b")
    for name in ("benchmark.measurement.measure", "benchmark.hardware.clock", "benchmark.measurement.peak_memory"):
        assert not {imported for imported in own(name) if unknown.match(imported)}, name


def test_the_program_loads_nothing_of_its_tests() -> None:
    assert not {name for name in FILES if "tests" in libraries(name)}


@pytest.mark.process
@pytest.mark.parametrize(
    "name",
    [
        "crossover.records.run",
        "benchmark.cli.main",
        "benchmark.cli.status",
        "benchmark.rescore",
        "benchmark.dispatch.local_gpus",
        "benchmark.sweep.run_grid",
        "benchmark.sweep.parity_search",
        "analysis.cli.main",
        "analysis.report.write",
    ],
)
def test_help_and_tables_need_not_wait_for_torch(name: str) -> None:
    script = f"import sys, {name}; print(*({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
