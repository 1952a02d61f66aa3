"""The harness's command line ends in one line where a task or an argument of the model is wrong."""

import sys
from types import ModuleType

import pytest

from benchmark.config.convert import config_of
from benchmark.lm_eval import main


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("mdl=tiny_llada", "there is no key 'mdl' (did you mean 'model'?)"),
        ("model=nope", "model=nope is not known"),
        ("steps=abc", "steps=abc is not allowed: give a whole number"),
        (None, "Tasks not found: x: lm_eval ls tasks lists those that there are"),
    ],
)
def test_it_ends_with_2_and_one_line(
    override: str | None, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def evaluate() -> None:
        if override is None:
            raise ValueError("Tasks not found: x")
        config_of([override])

    harness = ModuleType("lm_eval.__main__")
    harness.cli_evaluate = evaluate  # type: ignore[attr-defined] # what the harness's module has
    monkeypatch.setitem(sys.modules, "lm_eval.__main__", harness)
    monkeypatch.setattr("benchmark.lm_eval.register", lambda: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {line}")
    assert said.count("\n") == 1
