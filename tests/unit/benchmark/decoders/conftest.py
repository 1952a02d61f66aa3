import pytest
import torch


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the compiler out, which takes seconds and changes no token; what is around it stays."""
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
