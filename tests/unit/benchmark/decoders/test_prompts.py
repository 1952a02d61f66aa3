import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from benchmark.decoders import prompts
from benchmark.decoders.prompts import Prompt, locate, random_prompts, read_prompts, survey
from benchmark.models.loading import load_tokenizer
from benchmark.models.tokens import first_ids
from crossover.errors import InfeasibleError, UserError
from tests.checkpoints import END_ID, write_llama


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
    (prompt,) = read(source, tokenizer)
    assert replace(prompt, digest="") == Prompt(
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
        InfeasibleError,
        match=r"holds 1 document of at least 5 tokens and this run needs 2: lower batch.*"
        r"found 2 documents in all, the longest of the others has 1 token, line 2",
    ):
        read(source, tokenizer, count=2)


@pytest.mark.parametrize("line", ["not json", "[]", '"text"', '{"words": "w3"}', '{"text": 3}', "null"])
def test_a_line_that_is_no_document_is_named(tmp_path: Path, tokenizer: PreTrainedTokenizerBase, line: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(f'{{"text": "w3"}}\n\n{line}\n')
    with pytest.raises(UserError, match=r'prompts\.jsonl, line 3: expected an object like {"text": "\.\.\."}'):
        read(str(file), tokenizer)


def test_two_documents_of_one_name_are_refused_since_results_are_paired_by_it(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(f'{{"text": "{words(*range(3, 8))}", "id": 2}}\n{{"text": "{words(*range(4, 9))}"}}\n')
    with pytest.raises(UserError, match=r"prompts\.jsonl, line 2: its id '2' is that of line 1 too"):
        read(str(file), tokenizer, count=2)


def test_copies_of_a_document_get_names_of_their_own(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(f'{{"text": "{words(*range(3, 8))}", "id": "a"}}\n' * 3)
    assert [prompt.name for prompt in read(str(file), tokenizer, count=3)] == ["a", "a (line 2)", "a (line 3)"]


@pytest.mark.parametrize(
    "settings",
    [
        {"truncation_side": "left", "padding_side": "left"},
        {"model_max_length": 3},
        {"add_eos_token": True, "eos_token": "[end]"},
        {"pad_token": "[end]", "padding": True},
    ],
)
def test_a_tokenizers_settings_do_not_change_which_tokens_are_read(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, settings: dict[str, object]
) -> None:
    other = write_llama(tmp_path / "other")
    file = other / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    source = write_jsonl(tmp_path, words(*range(3, 20)), words(*range(5, 24)))
    assert read(source, load_tokenizer(other), count=2) == read(source, tokenizer, count=2)


def test_what_a_tokenizer_is_told_of_cutting_and_filling_and_ends_has_no_say(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    other = write_llama(tmp_path / "other")
    changed = Tokenizer.from_file(str(other / "tokenizer.json"))
    changed.enable_truncation(4, direction="left")
    changed.enable_padding(length=40, pad_id=END_ID, pad_token="[end]")
    changed.post_processor = TemplateProcessing(single="$A [end]", special_tokens=[("[end]", END_ID)])
    changed.save(str(other / "tokenizer.json"))
    source = write_jsonl(tmp_path, words(*range(3, 20)), words(3, 4), words(*range(5, 24)))
    assert read(source, load_tokenizer(other), count=2) == read(source, tokenizer, count=2)


def test_a_beginning_that_the_tokenizer_puts_before_texts_is_the_prompts_first_token(tmp_path: Path) -> None:
    other = write_llama(tmp_path / "other")
    changed = Tokenizer.from_file(str(other / "tokenizer.json"))
    changed.post_processor = TemplateProcessing(single="[mask] $A [end]", special_tokens=[("[end]", 0), ("[mask]", 1)])
    changed.save(str(other / "tokenizer.json"))
    (prompt,) = read(write_jsonl(tmp_path, words(3, 4, 5, 6)), load_tokenizer(other))
    assert (prompt.tokens, prompt.reference_tokens) == ([1, 3], [4, 5, 6])


def test_a_token_that_the_model_has_no_embedding_of_is_refused_by_line(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    source = write_jsonl(tmp_path, words(3, 4, 5, 6, 7), words(3, 4, 9, 6, 7))
    with pytest.raises(
        UserError, match=r"line 2: the tokenizer gives it token 9 and the model has embeddings for 0 to"
    ):
        read_prompts(source, tokenizer, prompt_tokens=2, output_tokens=3, count=2, vocabulary=9)


def test_a_document_is_tokenised_once_for_all_points_of_a_process(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_jsonl(tmp_path, words(3, 9, 3, 9, 3, 9), words(4, 9, 4, 9, 4, 9))
    seen: list[str] = []

    def counting(tokenizer: Tokenizer, text: str, count: int) -> list[int]:
        seen.append(text)
        return first_ids(tokenizer, text, count)

    monkeypatch.setattr(prompts, "first_ids", counting)
    assert read(source, tokenizer, count=2) == read(source, tokenizer, count=2)
    assert len(seen) == 2


def test_a_survey_tells_documents_that_repeat(tmp_path: Path, llama: Path) -> None:
    source = write_jsonl(tmp_path, words(3, 4, 5), words(6, 7, 8), words(3, 4, 5), words(3, 4, 5))
    surveyed = survey(source, llama, length=3, count=4, vocabulary=24)
    assert surveyed.repeated is not None
    assert "2 of the first 4 documents repeat an earlier one (line 3 repeats line 1, line 4 repeats line 1)" in (
        surveyed.repeated
    )
    assert survey(source, llama, length=3, count=2, vocabulary=24).repeated is None


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
    cut = read(str(file), tokenizer, prompt=1, output=4, count=4)
    assert [(prompt.name, prompt.tokens) for prompt in cut] == [("1", [2]), ("2", [4]), ("3", [6]), ("4", [8])]


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


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder: give a file of it"):
        locate(str(tmp_path))


def test_a_pipe_is_no_source(tmp_path: Path) -> None:
    """It would be waited for without an end."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(UserError, match=r"pipe.jsonl: it is no regular file: save it as one; give a .jsonl"):
        locate(str(tmp_path / "pipe.jsonl"))


def test_a_question_behind_texts_is_refused(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> None:
    source = write_jsonl(tmp_path, words(3, 4, 5, 6))
    with Path(source).open("a") as file:
        file.write('\n{"prompt": "w3", "answer": "w4", "rule": "exact"}')
    with pytest.raises(UserError, match=r"line 2: it holds a prompt with an answer, and the first entry a text"):
        read(source, tokenizer, count=2)


def test_random_prompts_hold_every_token_but_the_mask() -> None:
    prompts = random_prompts(vocabulary=5, mask_id=2, prompt_tokens=50, count=3, seed=1)
    assert {token for prompt in prompts for token in prompt.tokens} == {0, 1, 3, 4}
    assert [(prompt.number, prompt.name, len(prompt.tokens)) for prompt in prompts] == [
        (number, f"random-{number}", 50) for number in range(3)
    ]
    again = random_prompts(vocabulary=5, mask_id=None, prompt_tokens=50, count=3, seed=1)
    assert {token for prompt in again for token in prompt.tokens} == {0, 1, 2, 3, 4}


def test_a_source_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"prompts\.source=nowhere\.jsonl: there is no such file; give a \.jsonl"):
        locate("nowhere.jsonl")


def test_the_package_brings_its_own_prompts() -> None:
    assert locate("builtin:prompts/austen.jsonl").is_file()


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "prompts.txt").touch()
    assert locate("~/prompts.txt") == tmp_path / "prompts.txt"
