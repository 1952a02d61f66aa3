"""Import large libraries without looking for garbage in what they make, neither then nor ever after.

PyTorch and transformers make millions of objects that live as long as the process. Looking through them takes a
quarter of the time of the import, and a sizeable part of a second before each memory reading.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing(module: str) -> Iterator[None]:
    """Within, nothing is collected; what is there afterwards is left alone by later collections.

    Once `module` is there it does nothing: later there are models about, and those must be collected.
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
