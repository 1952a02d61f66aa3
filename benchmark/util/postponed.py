"""Libraries that another library imports and a measurement does not use, imported at their first use instead.

`import transformers` lists all its models, which takes a third of a second, and its package of models lists them again.
The losses of its detectors import scipy's optimisers, which takes as long. Neither is needed to generate text.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = "transformers.models"
FUNCTIONS = "scipy.optimize"


class _Package(ModuleType):
    """A package whose modules can be imported; it is imported itself when something asks for a name in it."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a module's attribute is of any type
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_imported(self), name)


class _Functions(ModuleType):
    """A module of functions, each of which imports it when it is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the function takes and gives
            return getattr(_imported(self), name)(*arguments, **named)

        return call


@contextmanager
def postponed() -> Iterator[None]:
    """Within, transformers is imported without its list of models and without scipy's optimisers.

    The package of models stays postponed afterwards. What was imported before stays as it is.
    """
    package = importlib.util.find_spec("transformers")
    if PACKAGE not in sys.modules and package is not None and package.submodule_search_locations:
        folder = Path(package.submodule_search_locations[0]) / "models"
        models = sys.modules[PACKAGE] = _Package(PACKAGE)
        models.__path__ = [str(folder)]
    if FUNCTIONS in sys.modules:
        yield
        return
    functions = sys.modules[FUNCTIONS] = _Functions(FUNCTIONS)
    try:
        yield
    finally:
        if sys.modules.get(FUNCTIONS) is functions:
            del sys.modules[FUNCTIONS]


def _imported(stand_in: ModuleType) -> ModuleType:
    """The module itself, from now on in its stand-in's place."""
    name = stand_in.__name__
    if sys.modules.get(name) is stand_in:
        del sys.modules[name]
    return importlib.import_module(name)
