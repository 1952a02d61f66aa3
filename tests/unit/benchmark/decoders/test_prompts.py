import json
from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from benchmark.decoders.prompts import Prompt, locate, read_prompts
from benchmark.models.loading import load_tokenizer
from crossover.errors import InfeasibleError, UserError


@pytest.fixture(scope="module")
def tokenizer(llama: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(llama)


def words(*ids: int) -> str:
    return " ".join(f"w{i}" for i in ids)


def write_jsonl(folder: Path, *texts: str) -> str:
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(json.dumps({"text": text, "id": f"doc-{i}"}) for i, text in enumerate(texts)))
    return str(file)


def read(
    source: str, tokenizer: PreTrainedTokenizerBase, *, prompt: int = 2, output: int = 3, count: int = 1
) -> list[Prompt]:
    return read_prompts(source, tokenizer, prompt_tokens=prompt, output_tokens=output, count=count)


def test_a_prompt_is_the_first_tokens_and_its_reference_those_that_follow(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    source = write_jsonl(tmp_path, words(3, 4, 5, 6, 7, 8, 9))
    (found,) = read(source, tokenizer)
    assert replace(found, digest="") == Prompt(
        number=0, name="doc-0", tokens=[3, 4], text="w3 w4", reference_tokens=[5, 6, 7], reference="w5 w6 w7"
    )


def test_documents_that_are_too_short_are_passed_over(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    source = write_jsonl(tmp_path, words(3, 4, 5, 6), words(3, 4, 5, 6, 7), "", words(8, 8, 8, 8, 8))
    assert [prompt.name for prompt in read(source, tokenizer, count=2)] == ["doc-1", "doc-3"]


def test_no_more_documents_are_read_than_are_needed(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    source = Path(write_jsonl(tmp_path, words(3, 4, 5, 6, 7)))
    source.write_text(source.read_text() + "\nnot json")
    assert len(read(str(source), tokenizer)) == 1


def test_too_few_documents_are_a_point_that_cannot_be_run(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    source = write_jsonl(tmp_path, words(3, 4, 5, 6, 7), words(3))
    with pytest.raises(
        InfeasibleError, match="holds 1 documents of at least 5 tokens and this run needs 2: lower batch"
    ):
        read(source, tokenizer, count=2)


@pytest.mark.parametrize("line", ["not json", "[]", '"text"', '{"words": "w3"}', '{"text": 3}', "null"])
def test_a_line_that_is_no_document_is_named(tmp_path: Path, tokenizer: PreTrainedTokenizerBase, line: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(f'{{"text": "w3"}}\n\n{line}\n')
    with pytest.raises(UserError, match=r'prompts\.jsonl, line 3: expected an object like {"text": "\.\.\."}'):
        read(str(file), tokenizer)


def test_a_document_without_an_id_is_called_by_its_line(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(f'\n{{"text": "{words(3, 4, 5, 6, 7)}"}}\n')
    assert read(str(file), tokenizer)[0].name == "2"


def test_plain_text_is_cut_into_groups_of_paragraphs_that_share_nothing(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    file = tmp_path / "book.txt"
    paragraphs = [words(*[2 + i] * 8) for i in range(8)]  # 23 characters each; a group takes at least 40
    file.write_text("\n\n".join(paragraphs) + "\n\n")
    prompts = read(str(file), tokenizer, prompt=1, output=4, count=4)
    assert [(prompt.name, prompt.tokens) for prompt in prompts] == [("1", [2]), ("2", [4]), ("3", [6]), ("4", [8])]


def test_the_end_of_a_plain_text_counts_when_it_is_long_enough(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    file = tmp_path / "book.txt"
    file.write_text(words(3, 4, 5, 6, 7))
    assert read(str(file), tokenizer)[0].tokens == [3, 4]


@pytest.mark.parametrize("name", ["book.txt", "book.jsonl"])
def test_text_in_another_encoding_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    (tmp_path / name).write_bytes('{"text": "é"}'.encode("latin-1"))
    with pytest.raises(UserError, match="it cannot be read as UTF-8 text"):
        read(str(tmp_path / name), tokenizer)


def test_a_source_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"prompts\.source=nowhere\.jsonl: there is no such file; give a \.jsonl"):
        locate("nowhere.jsonl")


def test_the_package_brings_its_own_prompts() -> None:
    assert locate("builtin:prompts/austen.jsonl").is_file()


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "prompts.txt").touch()
    assert locate("~/prompts.txt") == tmp_path / "prompts.txt"
