"""Import large libraries without garbage collection of their objects, neither during the import nor later.

PyTorch and transformers make millions of objects that live as long as the process. Looking through them takes a
quarter of the time of the import, and a sizeable part of a second before each memory reading.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Collect no garbage while the body runs; later collections leave alone all objects that exist after it.

    Once `module` is imported this does nothing: later there are models, and those must be collected.
    """
    if module in sys.modules:
        yield
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
