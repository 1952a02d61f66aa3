import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("records", "analysis", "benchmark", "hydra_plugins", "training")
"""Each imports only from those before it."""
HEAVY = {"torch", "transformers", "mlflow", "bert_score"}


def module(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module(file): file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))}


@cache
def imports(name: str) -> frozenset[str]:
    """All that a module imports, at its top or inside a function, in full: module or module.name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports from where it lies: write the whole name"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def libraries(name: str) -> set[str]:
    return {imported.partition(".")[0] for imported in imports(name)}


def own(name: str) -> set[str]:
    """The project's modules that a module imports."""
    candidates = {*imports(name)} | {imported.rpartition(".")[0] for imported in imports(name)}
    return candidates & FILES.keys()


def below(*packages: str) -> list[str]:
    return [name for name in FILES if name.startswith(tuple(f"{package}." for package in packages)) or name in packages]


def test_the_modules_are_found() -> None:
    assert {"records.run", "benchmark.decoders.diffusion", "analysis.metrics"} <= FILES.keys()
    assert own("records.run") == {"records.settings", "records.errors"}


def test_no_module_imports_what_comes_after_it() -> None:
    order = list(TopologicalSorter({name: own(name) - {name} for name in FILES}).static_order())  # raises on a cycle
    assert order.index("records.run") < order.index("benchmark.decoders.diffusion") < order.index("benchmark.pipeline")
    assert order.index("benchmark.pipeline") < order.index("benchmark.cli")


@pytest.mark.parametrize("place", range(len(PACKAGES)), ids=PACKAGES)
def test_no_package_imports_one_that_comes_after_it(place: int) -> None:
    allowed = {name for earlier in PACKAGES[: place + 1] for name in below(earlier)}
    for name in below(PACKAGES[place]):
        assert own(name) <= allowed, name


def test_records_are_plain_data_of_the_standard_library_read_by_orjson() -> None:
    for name in below("records"):
        reader = {"orjson"} if name == "records.load" else set()
        assert libraries(name) - {"records"} <= sys.stdlib_module_names | reader, name


def test_the_analysis_knows_neither_models_nor_configuration() -> None:
    for name in below("analysis"):
        heavy = HEAVY - {"mlflow"} if name == "analysis.tracking" else HEAVY
        assert not libraries(name) & (heavy | {"hydra", "omegaconf"}), name


def test_decoders_read_no_clock_and_write_no_log() -> None:
    for name in below("benchmark.decoders"):
        assert not libraries(name) & {"time", "logging", "datetime", "mlflow", "hydra"}, name
        assert not {found for found in own(name) if "clock" in found or "measure" in found}, name


def test_hydra_stops_at_the_edge() -> None:
    users = {name for name in FILES if libraries(name) & {"hydra", "omegaconf"}}
    assert users <= {
        "benchmark.cli",
        "benchmark.complaints",
        "benchmark.conduct",
        "benchmark.conductor",
        "benchmark.config",
        "benchmark.schema",
        "hydra_plugins.crossover.choosing",
        "hydra_plugins.crossover.composing",
        "hydra_plugins.crossover.grid_sweeper",
        "hydra_plugins.crossover.launchers",
        "hydra_plugins.crossover.parity_sweeper",
    }


def test_mlflow_is_known_where_records_are_sent_and_where_they_are_fetched() -> None:
    assert {name for name in FILES if "mlflow" in libraries(name)} == {"benchmark.sinks.tracking", "analysis.tracking"}


def test_measuring_knows_no_model_no_sink_and_no_configuration() -> None:
    for name in ("benchmark.measure", "benchmark.clock", "benchmark.memory"):
        assert own(name) <= {
            "benchmark.clock",
            "benchmark.decoders.interface",
            "benchmark.memory",
            "benchmark.progress",
            "benchmark.stopping",
            "benchmark.watch",
            "records.machine",
            "records.record",
            "records.settings",
        }, name


def test_the_program_loads_nothing_of_its_tests() -> None:
    assert not {name for name in FILES if "tests" in libraries(name)}


@pytest.mark.process
@pytest.mark.parametrize("name", ["records.run", "benchmark.cli", "analysis.cli", "analysis.report"])
def test_help_and_tables_need_not_wait_for_torch(name: str) -> None:
    script = f"import sys, {name}; print(*({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
