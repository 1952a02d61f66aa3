import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.execution.identity import require_contents, with_contents
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Judge, Precision, Prompts, Weights
from tests.factories import a_run, without_contents


def change(file: Path) -> None:
    """Another value in the file's last bytes, in place."""
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)


@pytest.fixture
def run(llada: Path, llama: Path, tmp_path: Path) -> Run:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text('{"text": "a text"}\n')
    model, judge = (Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in (llada, llama))
    return a_run(
        model=replace(a_run().model, checkpoint=str(model)),
        prompts=Prompts(source=str(prompts), count=1),
        judge=Judge(checkpoint=str(judge), revision=None, precision=Precision.float32),
    )


def test_a_key_follows_the_contents_of_all_that_is_read(run: Run) -> None:
    keys = [with_contents(run).key]
    assert run.judge is not None
    for file in (
        Path(run.model.checkpoint) / "model.safetensors",
        Path(run.judge.checkpoint) / "model.safetensors",
        Path(run.prompts.source),
    ):
        change(file)
        keys.append(with_contents(run).key)
    assert len(set(keys)) == 4
    assert without_contents(with_contents(run)) == run


def test_a_run_that_reads_what_its_key_says_goes_on(run: Run) -> None:
    require_contents(with_contents(run))


@pytest.mark.parametrize(
    ("name", "words"),
    [("model", "the checkpoint .*"), ("judge", "the judge's checkpoint"), ("prompts", "prompts.source")],
)
def test_what_was_replaced_since_the_sweep_began_is_named(run: Run, name: str, words: str) -> None:
    before = with_contents(run)
    assert run.judge is not None
    checkpoint = run.judge.checkpoint if name == "judge" else run.model.checkpoint
    change(Path(run.prompts.source) if name == "prompts" else Path(checkpoint) / "model.safetensors")
    with pytest.raises(UserError, match=rf"{words}.* has changed since this sweep began: give the command again"):
        require_contents(before)


def test_random_weights_are_what_their_configuration_says(run: Run) -> None:
    drawn = replace(run, weights=Weights.random, judge=None)
    before = with_contents(drawn)
    change(Path(run.model.checkpoint) / "model.safetensors")
    change(Path(run.prompts.source))
    assert with_contents(drawn) == before
    (Path(run.model.checkpoint) / "config.json").write_text("{}")
    assert with_contents(drawn).key != before.key
