import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmark.models.loading import LanguageModel
from benchmark.quality.perplexity import PerplexityJudge
from crossover.errors import UserError
from crossover.records.settings import Family
from tests.checkpoints import random_model
from tests.fakes import FakeModel

BEGIN = 1


class LetterTokenizer:
    """One token a letter: a is 2, b is 3 and so on; a text alone may have a token of its own before and behind it."""

    def __init__(self, *, begins: bool = False, ends: bool = False) -> None:
        self._begins, self._ends = begins, ends
        self.backend_tokenizer = self

    def no_truncation(self) -> None:
        """Nothing is cut anyway."""

    def no_padding(self) -> None:
        """Nothing is filled anyway."""

    def encode(self, text: str, *, add_special_tokens: bool = True) -> SimpleNamespace:
        begin = [BEGIN] if self._begins and add_special_tokens else []
        end = [BEGIN] if self._ends and add_special_tokens else []
        letters = [ord(letter) - ord("a") + 2 for letter in text]
        mask = [1] * len(begin) + [0] * len(letters) + [1] * len(end)
        return SimpleNamespace(ids=begin + letters + end, special_tokens_mask=mask)


def judge(model: LanguageModel, *, begins: bool = False, ends: bool = False) -> PerplexityJudge:
    tokenizer: Any = LetterTokenizer(begins=begins, ends=ends)
    return PerplexityJudge(model=model, tokenizer=tokenizer)


def small(context: int) -> LanguageModel:
    return replace(random_model(Family.autoregressive), context=context)


def token_nll(model: LanguageModel, before: list[int], token: int) -> float:
    with torch.inference_mode():
        hidden = model.body(input_ids=torch.tensor([before]), use_cache=False).last_hidden_state
        return -float(model.head(hidden)[0, -1].log_softmax(dim=-1)[token])


@pytest.mark.parametrize("context", [4, 6, 100])
def test_a_judge_that_knows_nothing_has_the_perplexity_of_its_vocabulary(context: int) -> None:
    uniform = replace(FakeModel(vocabulary=30, logits=lambda _: [0.0] * 30).model, context=context)
    likelihood = judge(uniform).score("abc", "defghijklmn")
    assert likelihood is not None
    assert likelihood.tokens == 11
    assert math.exp(likelihood.nll_nats / likelihood.tokens) == pytest.approx(30)


def test_a_certain_judge_has_perplexity_one() -> None:
    def next_letter(position: int) -> list[float]:
        return [50.0 if token == position + 3 else 0.0 for token in range(12)]

    likelihood = judge(FakeModel(vocabulary=12, logits=next_letter).model).score("abc", "defg")
    assert likelihood is not None
    assert likelihood.tokens == 4
    assert likelihood.nll_nats == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ("abc", [8, 12, 16, 20, 22]),  # the first window is whole, later ones advance by half a context
        ("abcdef", [10, 14, 18, 22]),
        ("abcdefghijkl", [16, 20, 22]),  # a prompt longer than the context is read from its end
    ],
)
def test_windows_agree_with_scoring_token_by_token(given: str, ends: list[int]) -> None:
    letters = "abcdefghijklmnopqrstuv"
    model, first = small(8), len(given)
    tokens = [ord(letter) - ord("a") + 2 for letter in letters]
    expected = 0.0
    for start, end in zip([first, *ends], ends, strict=False):
        window = max(0, end - 8)
        expected += sum(token_nll(model, tokens[window:position], tokens[position]) for position in range(start, end))
    likelihood = judge(model).score(given, letters[first:])
    assert likelihood is not None
    assert likelihood.nll_nats == pytest.approx(expected, rel=1e-5)
    assert likelihood.tokens == len(letters) - first


def test_no_window_is_longer_than_the_context() -> None:
    fake = FakeModel(vocabulary=30, logits=lambda _: [0.0] * 30)
    judge(replace(fake.model, context=8)).score("abcdefghijkl", "abcdefghijklmnopqrst")
    assert {len(canvas[0]) for canvas in fake.body.canvases} == {8}


def test_the_prompt_itself_is_not_scored() -> None:
    fake = FakeModel(vocabulary=30, logits=lambda _: [0.0] * 30)
    judge(fake.model).score("abc", "de")
    assert [len(read) for read in fake.head.read] == [2]


def test_a_prompt_makes_its_own_continuation_differ_from_another_ones() -> None:
    model = small(64)
    one, other = judge(model).score("abc", "defg"), judge(model).score("cba", "defg")
    assert one is not None
    assert other is not None
    assert one.nll_nats != pytest.approx(other.nll_nats, rel=1e-3)


@pytest.mark.parametrize("prompt", ["", "abc"])
def test_a_continuation_without_text_has_no_likelihood(prompt: str) -> None:
    assert judge(small(8)).score(prompt, "") is None


def test_without_anything_before_it_the_first_token_is_not_scored() -> None:
    model = small(8)
    likelihood = judge(model).score("", "ab")
    assert likelihood is not None
    assert likelihood.tokens == 1
    assert likelihood.nll_nats == pytest.approx(token_nll(model, [2], 3), rel=1e-5)
    assert judge(model).score("", "a") is None


def test_the_judges_first_token_stands_before_the_prompt_and_not_before_the_continuation() -> None:
    fake = FakeModel(vocabulary=30, logits=lambda _: [0.0] * 30)
    likelihood = judge(fake.model, begins=True).score("ab", "cd")
    assert fake.body.canvases == [[[BEGIN, 2, 3, 4, 5]]]
    assert likelihood is not None
    assert likelihood.tokens == 2
    alone = judge(fake.model, begins=True).score("", "cd")
    assert alone is not None
    assert alone.tokens == 2


@pytest.mark.parametrize(("given", "continuation"), [("abc", "defg"), ("", "defg")])
def test_a_judges_tokenizer_that_appends_an_end_changes_nothing(given: str, continuation: str) -> None:
    model = small(64)
    assert judge(model, ends=True).score(given, continuation) == judge(model).score(given, continuation)


def test_a_token_without_an_embedding_is_refused() -> None:
    fake = FakeModel(vocabulary=5, logits=lambda _: [0.0] * 5)
    with pytest.raises(UserError, match="its tokenizer gives token 5 and the model has embeddings for 0 to 4"):
        judge(fake.model).score("abc", "d")


@pytest.mark.parametrize("logit", [math.nan, math.inf])
def test_a_judge_that_overflows_says_nothing(logit: float) -> None:
    broken = FakeModel(vocabulary=12, logits=lambda _: [logit] * 12).model
    assert judge(broken).score("abc", "defg") is None
