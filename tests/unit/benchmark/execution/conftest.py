import json
from dataclasses import replace
from pathlib import Path

import pytest

from crossover.records.run import Run
from crossover.records.settings import Judge, Precision, Prompts
from tests.factories import a_run, an_autoregressive_run


@pytest.fixture
def prompts(tmp_path: Path) -> Prompts:
    """Three documents of 20 words; the n-th begins with word n + 3."""
    lines = [
        json.dumps({"id": f"doc-{i}", "text": " ".join(f"w{3 + (i + word) % 20}" for word in range(20))})
        for i in range(3)
    ]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    return Prompts(source=str(tmp_path / "prompts.jsonl"), count=3)


@pytest.fixture
def diffusion(llada: Path, llama: Path, prompts: Prompts) -> Run:
    judge = Judge(checkpoint=str(llama), revision=None, precision=Precision.float32)
    return a_run(model=replace(a_run().model, checkpoint=str(llada)), prompts=prompts, judge=judge)


@pytest.fixture
def autoregressive(llama: Path, prompts: Prompts) -> Run:
    model = replace(an_autoregressive_run().model, checkpoint=str(llama))
    return an_autoregressive_run(model=model, prompts=prompts, judge=None)
