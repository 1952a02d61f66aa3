import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from benchmark.models import tokens
from benchmark.models.tokens import CHARACTERS_PER_TOKEN, first_ids, leading_ids, text_ids
from tests.paths import ROOT

AUSTEN = (ROOT / "benchmark" / "assets" / "prompts" / "austen.jsonl").read_text(encoding="utf-8")


def packaged() -> Tokenizer:
    return Tokenizer.from_file(str(ROOT / "benchmark" / "assets" / "tiny_llada" / "tokenizer.json"))


def by_spaces() -> Tokenizer:
    """As Llama 2 has it: no words, spaces are letters."""
    made = Tokenizer(models.BPE(unk_token="?"))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Replace("▁", " ")
    made.train_from_iterator([AUSTEN[:20_000]], trainers.BpeTrainer(vocab_size=400, special_tokens=["?"]))
    return made


def by_metaspace() -> Tokenizer:
    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=["?"], unk_token="?")
    made.train_from_iterator([AUSTEN[:20_000]], trainer)
    return made


def strange_text(draw: random.Random) -> str:
    """Words, long runs without any space, spaces, line ends, accents, Chinese."""
    pieces = [
        "the ",
        "quiet",
        "  ",
        "\n\n",
        "né",
        "e\u0301",
        "。",
        "漢字",
        "-" * 30,
        "\t",
        "1234567",
        "'s ",
        "<|mdm_mask|>",
    ]
    return "".join(piece * draw.choice([1, 1, 2, 90]) for piece in draw.choices(pieces, k=60))


@pytest.mark.parametrize("make", [packaged, by_spaces, by_metaspace])
def test_the_first_tokens_of_a_cut_text_are_those_of_the_whole(make: type) -> None:
    tokenizer, draw = make(), random.Random(5)
    for text in [AUSTEN[:30_000], *(strange_text(draw) for _ in range(40))]:
        whole = text_ids(tokenizer, text)
        for count in (1, 2, 7, 40, 300):
            assert first_ids(tokenizer, text, count) == whole[:count]


def test_of_a_long_text_no_more_is_tokenised_than_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_tokenizer: Tokenizer, _text: str) -> list[int]:
        raise AssertionError("the whole text was tokenised")

    monkeypatch.setattr(tokens, "text_ids", refuse)
    assert len(first_ids(packaged(), AUSTEN, 64)) == 64
    assert len(AUSTEN) > 100 * 64 * CHARACTERS_PER_TOKEN


def test_a_tokenizer_without_a_beginning_has_none(llama: Path) -> None:
    assert leading_ids(Tokenizer.from_file(str(llama / "tokenizer.json"))) == []
