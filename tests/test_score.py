import math
from typing import Any

from benchmark.quality.perplexity import Likelihood
from benchmark.quality.score import score
from benchmark.record import Generated, Score


class FakeJudge:
    """Remembers what it read; an empty text has no likelihood."""

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    def score(self, prompt: str, continuation: str) -> Likelihood | None:
        self.read.append((prompt, continuation))
        return Likelihood(nll_nats=3.5, tokens=7) if continuation else None


def text(name: str, continuation: str, tokens: tuple[int, ...]) -> Generated:
    return Generated(prompt_id=name, prompt=f"{name}?", continuation=continuation, reference="true", tokens=tokens)


TEXTS = [text("a", "some", (1, 2, 1, 2, 1, 2)), text("b", "", (3, 3))]


def test_each_text_is_judged_given_its_own_prompt() -> None:
    judge: Any = FakeJudge()
    scores = score(TEXTS, judge)
    assert judge.read == [("a?", "some"), ("b?", "")]
    assert scores == (
        Score(
            prompt_id="a",
            nll_nats=3.5,
            judge_tokens=7,
            entropy_nats=math.log(2),
            distinct_2=2 / 5,
            repetition_4=1 - 2 / 3,
        ),
        Score(prompt_id="b", nll_nats=None, judge_tokens=None, entropy_nats=0.0, distinct_2=1.0, repetition_4=None),
    )


def test_without_a_judge_likelihood_stays_unknown() -> None:
    assert [(found.nll_nats, found.judge_tokens) for found in score(TEXTS, None)] == [(None, None), (None, None)]
