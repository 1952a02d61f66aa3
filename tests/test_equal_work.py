from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmark.decoders.interface import Generation
from benchmark.equal_work import check_equal_work
from benchmark.prompts import Prompt
from records.errors import BrokenProtocolError
from records.run import Run
from records.settings import Engine
from tests.factories import a_run

MASK = 1
ROWS = [(0, 1), (0, 1)]
PROMPTS = [
    Prompt(number=row, name=str(row), tokens=[row + 2] * 8, text="", reference_tokens=[], reference="")
    for row in (0, 1)
]
RIGHT = Generation(
    tokens_BN=torch.full((2, 8), 5), forward_passes=4, prompts_BP=torch.tensor([prompt.tokens for prompt in PROMPTS])
)


def check(*samples: Generation, untimed: Generation = RIGHT, run: Run | None = None) -> None:
    measured: Any = SimpleNamespace(untimed=untimed, samples=[SimpleNamespace(generation=each) for each in samples])
    check_equal_work(run or a_run(), measured, ROWS[: len(samples)], PROMPTS, MASK)


def with_token(token: int) -> Generation:
    tokens_BN = RIGHT.tokens_BN.clone()
    tokens_BN[1, 3] = token
    return replace(RIGHT, tokens_BN=tokens_BN)


def test_work_as_agreed_passes() -> None:
    check(RIGHT, RIGHT)


@pytest.mark.parametrize(
    ("generation", "words"),
    [
        (replace(RIGHT, tokens_BN=torch.full((2, 7), 5)), "the output has 2 x 7 tokens, not 2 x 8"),
        (replace(RIGHT, tokens_BN=torch.full((1, 8), 5)), "the output has 1 x 8 tokens, not 2 x 8"),
        (replace(RIGHT, forward_passes=5), "made 5 forward passes where its schedule has 4"),
        (with_token(MASK), "1 mask tokens are left"),
        (replace(RIGHT, prompts_BP=torch.full((2, 8), 2)), "8 prompt tokens of a batch were changed"),
        (with_token(6), "1 of 16 tokens differ between two repeats"),
    ],
)
def test_each_violation_is_named(generation: Generation, words: str) -> None:
    with pytest.raises(BrokenProtocolError, match=words):
        check(RIGHT, generation)


def test_the_first_sample_is_compared_with_the_memory_pass() -> None:
    with pytest.raises(BrokenProtocolError, match="differ between two repeats"):
        check(RIGHT, untimed=with_token(6))


def test_the_published_loop_may_choose_the_mask() -> None:
    masked = with_token(MASK)
    check(masked, untimed=masked, run=a_run(engine=Engine.published))
