import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.decoders.prompts_check import check_prompts
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import HeldOut, Prompts, Weights
from tests.checkpoints import write_llada
from tests.factories import a_run


def run_of(checkpoint: Path, source: Path, length: int = 4, count: int = 2) -> Run:
    run = a_run(weights=Weights.checkpoint)
    return replace(
        run,
        model=replace(run.model, checkpoint=str(checkpoint)),
        prompts=Prompts(source=str(source), count=count),
        length=length,
        diffusion=replace(run.diffusion, block_length=length // 2, steps=1),  # type: ignore[type-var]
        batch=1,
    )


def write(folder: Path, *words: int) -> Path:
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(json.dumps({"text": f"w{i} " * number}) for i, number in enumerate(words, start=3)))
    return file


def test_prompts_that_suffice_need_no_word(llada: Path, tmp_path: Path) -> None:
    assert check_prompts([run_of(llada, write(tmp_path, 4, 5))]) == []


def test_prompts_that_suffice_for_no_run_are_refused_before_any_is_dispatched(llada: Path, tmp_path: Path) -> None:
    source = write(tmp_path, 4, 3)
    with pytest.raises(
        UserError, match=r"prompts\.source=.*holds 1 document of at least 4 tokens.*has 3 tokens, line 2"
    ):
        check_prompts([run_of(llada, source)])


def test_prompts_that_suffice_for_some_runs_are_told(llada: Path, tmp_path: Path) -> None:
    source = write(tmp_path, 4, 5, 8)
    (said,) = check_prompts([run_of(llada, source), run_of(llada, source, length=8)])
    assert "holds 1 document of at least 8 tokens and this run needs 2" in said


def test_a_line_that_is_no_document_is_refused_before_any_run_is_dispatched(llada: Path, tmp_path: Path) -> None:
    source = write(tmp_path, 4)
    source.write_text(source.read_text() + "\n3")
    with pytest.raises(UserError, match="line 2: expected an object"):
        check_prompts([run_of(llada, source)])


def test_repeated_documents_are_told(llada: Path, tmp_path: Path) -> None:
    source = write(tmp_path, 4)
    source.write_text(f"{source.read_text()}\n" * 2)
    (said,) = check_prompts([run_of(llada, source)])
    assert "1 of the first 2 documents repeats an earlier one (line 2 repeats line 1)" in said


def test_what_holds_of_several_runs_is_told_once(llada: Path, tmp_path: Path) -> None:
    source = write(tmp_path, 4)
    source.write_text(f"{source.read_text()}\n" * 2)
    runs = [run_of(llada, source), run_of(llada, source, length=2), *(run_of(llada, source, length=n) for n in (8, 10))]
    repeated, lack = check_prompts(runs)
    assert "repeats an earlier one" in repeated
    assert "documents of at least 8 tokens" in lack


def test_documents_whose_likelihood_is_asked_for_are_needed_too(llada: Path, tmp_path: Path) -> None:
    run = run_of(llada, write(tmp_path, 4, 4))
    with pytest.raises(UserError, match=r"holds 2 documents of at least 4 tokens and this run needs 3"):
        check_prompts([replace(run, likelihood=HeldOut(documents=3, samples=2, orders=1))])


def test_random_weights_read_no_prompts(tmp_path: Path) -> None:
    run = run_of(tmp_path / "nowhere", tmp_path / "none.jsonl")
    assert check_prompts([replace(run, weights=Weights.random, judge=None)]) == []


def test_a_token_without_an_embedding_is_refused_before_any_run_is_dispatched(tmp_path: Path) -> None:
    folder = write_llada(tmp_path / "small", embedding_size=4)
    with pytest.raises(
        UserError, match="line 2: the tokenizer gives it token 4 and the model has embeddings for 0 to 3"
    ):
        check_prompts([run_of(folder, write(tmp_path, 4, 4))])


def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write_llada(tmp_path / "small")
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(UserError, match="small: its tokenizer cannot be read"):
        check_prompts([run_of(folder, write(tmp_path, 4, 4))])


def test_documents_that_differ_beyond_what_a_run_reads_repeat_each_other(llada: Path, tmp_path: Path) -> None:
    (said,) = check_prompts([run_of(llada, _alike(tmp_path))])
    assert "repeats an earlier one in the first 4 tokens, all that a run of length=4 reads (line 2 repeats" in said
    assert check_prompts([run_of(llada, _alike(tmp_path), length=6)]) == []


def _alike(folder: Path) -> Path:
    file = folder / "alike.jsonl"
    file.write_text("\n".join(json.dumps({"text": f"{'w3 ' * 5}w{i} {'w3 ' * 9}"}) for i in (4, 5)))
    return file


def test_prompts_with_answers_that_repeat_are_told(llada: Path, tmp_path: Path) -> None:
    source = tmp_path / "questions.jsonl"
    source.write_text('{"prompt": "w3 w4", "answer": "w5", "rule": "exact"}\n' * 2)
    (said,) = check_prompts([run_of(llada, source)])
    assert "1 of the first 2 prompts repeats an earlier one (prompt '2' repeats prompt '1')" in said
