"""What the tests on a GPU share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def once_for_all_shapes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the compiler make one program for all shapes: for each shape its own would take minutes."""
    with monkeypatch.context() as patched:
        compile_it = torch.compile
        patched.setattr(torch, "compile", lambda function, **_: compile_it(function, fullgraph=True, dynamic=True))
        yield
