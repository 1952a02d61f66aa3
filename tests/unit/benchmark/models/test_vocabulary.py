import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.models.loading import load_tokenizer
from benchmark.models.tokens import read_backend, text_ids
from benchmark.models.vocabulary import check_vocabularies, vocabulary
from crossover.errors import UserError
from crossover.records.settings import Model
from tests.checkpoints import write_llada, write_llama
from tests.factories import a_run


def model_of(folder: Path, name: str) -> Model:
    return replace(a_run().model, name=name, checkpoint=str(folder))


def test_two_models_of_one_vocabulary_pass_whatever_was_added_to_it(tmp_path: Path) -> None:
    one, other = write_llama(tmp_path / "one"), write_llada(tmp_path / "other")
    content = json.loads((other / "tokenizer.json").read_text())
    content["added_tokens"] = [{"id": 24, "content": "<|MASK|>"}]
    (other / "tokenizer.json").write_text(json.dumps(content))
    check_vocabularies([model_of(one, "one"), model_of(other, "other")])


def test_two_models_of_different_vocabularies_are_refused_by_name(tmp_path: Path) -> None:
    one, other = write_llama(tmp_path / "one"), write_llada(tmp_path / "other")
    content = (other / "tokenizer.json").read_text().replace('"w5"', '"w99"')
    (other / "tokenizer.json").write_text(content)
    with pytest.raises(UserError, match=r"one and other have different vocabularies, .* pair\.tokenizer=own"):
        check_vocabularies([model_of(one, "one"), model_of(other, "other")])


def test_words_and_merges_make_a_tokenizer_where_there_is_no_other_file(tmp_path: Path) -> None:
    """Dream's checkpoints come without tokenizer.json, and with a tokenizer of their own code, which is Qwen2's."""
    words = {word: number for number, word in enumerate(["a", "b", "Ġ", "ab", "Ġab", "<|endoftext|>", "<|mask|>"])}
    (tmp_path / "vocab.json").write_text(json.dumps(words))
    (tmp_path / "merges.txt").write_text("#version: 0.2\na b\nĠ ab\n")
    settings = {"tokenizer_class": "DreamTokenizer", "auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    settings |= {"eos_token": "<|endoftext|>", "mask_token": "<|mask|>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert load_tokenizer(tmp_path)("ab ab").input_ids == [3, 4]
    assert text_ids(read_backend(tmp_path), "ab ab<|mask|>") == [3, 4, 6]
    assert vocabulary(tmp_path) == words
