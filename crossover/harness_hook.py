"""Make lm-evaluation-harness's own command know `--model crossover`: `crossover_lm_eval.pth` imports this at start.

The harness looks for no models of other packages. So an import of its list of models, and of nothing else, is followed
by one entry more in that list; the model itself is imported when it is asked for.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

LIST = "lm_eval.models"
NAME, TARGET = "crossover", "benchmark.harness.language_model:CrossoverLM"


class ModelsFinder(MetaPathFinder):
    """Finds the harness's list of models, and lets it be completed."""

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The list's own spec, whose loader adds the entry; None for any other module."""
        if fullname != LIST:
            return None
        spec = PathFinder.find_spec(fullname, path, target)  # type: ignore[arg-type] # as the import system gives it
        if spec is not None and spec.loader is not None:
            spec.loader = CompletingLoader(spec.loader)
        return spec


class CompletingLoader(Loader):
    """Loads the list as it is, then registers the model."""

    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See Loader."""
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """See Loader."""
        self._own.exec_module(module)
        register()


def register() -> None:
    """Make the model known to the harness."""
    from lm_eval.api.registry import model_registry

    if NAME not in model_registry:
        model_registry.register(NAME, target=TARGET)


def install() -> None:
    """Look at imports from now on; once is enough."""
    if not any(isinstance(finder, ModelsFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, ModelsFinder())
