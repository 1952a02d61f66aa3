import math
from collections.abc import Sequence
from typing import Any

from benchmark.quality.bertscore import BertScore
from benchmark.quality.perplexity import Likelihood
from benchmark.quality.score import Scorers, load_scorers, rescore, score
from benchmark.util.progress import Stage
from crossover.records.settings import Device
from crossover.records.texts import Generated, Score
from tests.factories import a_run, a_score

END = 9
ENDS = frozenset({END})


class FakeJudge:
    """Remembers what it read; an empty text has no likelihood."""

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    def score(self, prompt: str, continuation: str) -> Likelihood | None:
        self.read.append((prompt, continuation))
        return Likelihood(nll_nats=3.5, tokens=7) if continuation else None


class FakeEncoder:
    """Remembers what it compared; each text scores its place."""

    def __init__(self) -> None:
        self.compared: list[tuple[str, str]] = []

    def compare(self, candidates: Sequence[str], references: Sequence[str]) -> list[BertScore]:
        self.compared = list(zip(candidates, references, strict=True))
        return [BertScore(precision=place, recall=place + 0.25, f1=place + 0.5) for place in range(len(candidates))]


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    """Nobody watches."""


def text(name: str, continuation: str, tokens: tuple[int, ...]) -> Generated:
    return Generated(prompt_id=name, prompt=f"{name}?", continuation=continuation, reference=f"{name}!", tokens=tokens)


TEXTS = [text("a", "söme", (1, 2, 1, 2, 1, 2)), text("b", "", (3, END))]
UNREAD = Scorers()


def reading(**scorers: Any) -> Scorers:
    return Scorers(**scorers)


def test_each_text_is_judged_given_its_own_prompt() -> None:
    judge = FakeJudge()
    scores = score(TEXTS, ENDS, reading(judge=judge), ignore)
    assert judge.read == [("a?", "söme"), ("b?", "")]
    assert scores == (
        Score(
            prompt_id="a",
            nll_nats=3.5,
            judge_tokens=7,
            entropy_nats=math.log(2),
            distinct_2=2 / 5,
            repetition_4=1 - 2 / 3,
            characters=4,
            ended=False,
        ),
        Score(
            prompt_id="b",
            nll_nats=None,
            judge_tokens=None,
            entropy_nats=math.log(2),
            distinct_2=1.0,
            repetition_4=None,
            characters=0,
            ended=True,
        ),
    )


def test_each_text_is_compared_with_its_true_continuation() -> None:
    encoder = FakeEncoder()
    first, second = score(TEXTS, ENDS, reading(encoder=encoder), ignore)
    assert encoder.compared == [("söme", "a!"), ("", "b!")]
    assert (first.bertscore_precision, first.bertscore_recall, first.bertscore_f1) == (0, 0.25, 0.5)
    assert second.bertscore_f1 == 1.5


def test_what_nobody_says_stays_unknown() -> None:
    for found in score(TEXTS, frozenset(), UNREAD, ignore):
        assert (found.nll_nats, found.judge_tokens, found.bertscore_f1, found.ended) == (None, None, None, None)


def test_a_new_judge_replaces_its_own_figures_alone() -> None:
    old = a_score(prompt_id="a", bertscore_f1=0.4, ended=True), a_score(prompt_id="b", nll_nats=1.0)
    first, second = rescore(old, TEXTS, reading(judge=FakeJudge()), ignore)
    assert first == a_score(prompt_id="a", nll_nats=3.5, judge_tokens=7, bertscore_f1=0.4, ended=True)
    assert (second.nll_nats, second.judge_tokens) == (None, None)


def test_every_text_is_reported_before_it_is_judged() -> None:
    heard: list[tuple[Stage, int, int]] = []
    score(TEXTS, ENDS, reading(judge=FakeJudge()), lambda *progress: heard.append(progress))
    assert heard[-2:] == [(Stage.quality, 0, 2), (Stage.quality, 1, 2)]


def test_without_judge_and_encoder_nothing_is_loaded() -> None:
    run = a_run(judge=None)
    assert load_scorers(run.judge, run.encoder, Device.cuda) == UNREAD
