import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmark.quality import score as module
from benchmark.quality.bertscore import BertScore
from benchmark.quality.human import judge_human
from benchmark.quality.perplexity import Likelihood
from benchmark.quality.score import Quality, Scorers, Texts, load_scorers, rescore, score, score_by_each
from benchmark.util.progress import Stage
from crossover.records.settings import Device, Encoder, Judge, Precision
from crossover.records.texts import Generated, Score
from tests.checkpoints import HIDDEN, llama_settings, llama_tensors, write_checkpoint, write_encoder
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
    """Remembers what it compared; each text scores its index."""

    def __init__(self) -> None:
        self.compared: list[tuple[str, str]] = []

    def compare(self, candidates: Sequence[str], references: Sequence[str]) -> list[BertScore]:
        self.compared = list(zip(candidates, references, strict=True))
        return [BertScore(precision=index, recall=index + 0.25, f1=index + 0.5) for index in range(len(candidates))]


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    """Nobody watches."""


def text(name: str, continuation: str, tokens: tuple[int, ...]) -> Generated:
    return Generated(prompt_id=name, prompt=f"{name}?", continuation=continuation, reference=f"{name}!", tokens=tokens)


TEXTS = [text("a", "söme", (1, 2, 1, 2, 1, 2)), text("b", "", (END, 3))]
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
            text_bytes=5,
            figures={"distinct_1": 2 / 6, "compression_ratio": 5 / 13},
        ),
        Score(
            prompt_id="b",
            nll_nats=None,
            judge_tokens=None,
            entropy_nats=None,
            distinct_2=None,
            repetition_4=None,
            characters=0,
            ended=True,
            text_bytes=0,
        ),
    )


def test_what_comes_after_the_first_end_of_sequence_is_no_text() -> None:
    cut, whole = (text("a", "x", tokens) for tokens in ((1, 2, 1, END, 5, 6, END, 7), (1, 2, 1)))
    (one,), (other,) = (score([each], ENDS, UNREAD, ignore) for each in (cut, whole))
    assert (one.entropy_nats, one.distinct_2) == (other.entropy_nats, other.distinct_2)
    assert (one.ended, other.ended) == (True, False)


def test_each_text_is_compared_with_its_true_continuation() -> None:
    encoder = FakeEncoder()
    first, second = score(TEXTS, ENDS, reading(encoder=encoder), ignore)
    assert encoder.compared == [("söme", "a!"), ("", "b!")]
    assert (first.bertscore_precision, first.bertscore_recall, first.bertscore_f1) == (0, 0.25, 0.5)
    assert second.bertscore_f1 == 1.5


def test_what_nobody_says_stays_unknown() -> None:
    for unknown in score(TEXTS, frozenset(), UNREAD, ignore):
        assert (unknown.nll_nats, unknown.judge_tokens, unknown.bertscore_f1, unknown.ended) == (None, None, None, None)


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


def judge_of(folder: Path) -> Judge:
    return Judge(checkpoint=str(folder), revision=None, precision=Precision.float32)


def encoder_of(folder: Path) -> Encoder:
    return Encoder(checkpoint=str(folder), revision=None, layer=1)


def by_each(judge: Judge, encoder: Encoder) -> Quality:
    texts = [Generated(prompt_id="a", prompt="w3 w4", continuation="w5 w6", reference="w7", tokens=(5, 6))]
    return score_by_each(as_texts(texts), judge, encoder, Device.cpu, ignore)


def as_texts(generated: Sequence[Generated]) -> Texts:
    human = tuple(replace(each, continuation=each.reference, tokens=(7,)) for each in generated)
    return Texts(generated=tuple(generated), human=human, ends=ENDS)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return encoder_of(write_encoder(tmp_path_factory.mktemp("encoder")))


def test_a_judge_that_fails_is_named_and_the_encoders_figures_stay(tmp_path: Path, encoder: Encoder) -> None:
    quality = by_each(judge_of(tmp_path / "nowhere"), encoder)
    assert str(quality.failure).startswith("the judge failed: checkpoint")
    assert (quality.scores[0].nll_nats, quality.scores[0].bertscore_f1 is None) == (None, False)


def test_an_encoder_that_fails_is_named_and_the_judges_figures_stay(tmp_path: Path, llama: Path) -> None:
    quality = by_each(judge_of(llama), encoder_of(tmp_path / "nowhere"))
    assert str(quality.failure).startswith("the encoder failed: checkpoint")
    assert (quality.scores[0].nll_nats is None, quality.scores[0].bertscore_f1) == (False, None)


def test_each_of_two_that_fail_is_named(tmp_path: Path) -> None:
    quality = by_each(judge_of(tmp_path / "no_judge"), encoder_of(tmp_path / "no_encoder"))
    assert [part.split(":")[0] for part in str(quality.failure).split("; ") if "failed" in part] == [
        "the judge failed",
        "the encoder failed",
    ]
    assert quality.scores[0].entropy_nats == pytest.approx(math.log(2))
    assert quality.human[0].nll_nats is None


def test_a_judge_whose_weights_are_not_finite_judges_nothing(tmp_path: Path, encoder: Encoder) -> None:
    tensors = llama_tensors() | {"model.norm.weight": torch.full((HIDDEN,), torch.nan)}
    quality = by_each(judge_of(write_checkpoint(tmp_path, llama_settings(), tensors)), encoder)
    assert "the judge failed: checkpoint" in str(quality.failure)
    assert "not finite (NaN or infinity) in model.norm.weight" in str(quality.failure)
    assert quality.scores[0].bertscore_f1 is not None


def test_two_that_do_not_fail_leave_nothing_to_say(llama: Path, encoder: Encoder) -> None:
    quality = by_each(judge_of(llama), encoder)
    assert quality.failure is None
    assert None not in (quality.scores[0].nll_nats, quality.scores[0].bertscore_f1)


def test_the_judge_reads_the_true_continuation_as_it_reads_an_output(llama: Path, encoder: Encoder) -> None:
    (human,) = by_each(judge_of(llama), encoder).human
    author = Generated(prompt_id="a", prompt="w3 w4", continuation="w7", reference="w7", tokens=(7,))
    (same,) = score_by_each(as_texts([author]), judge_of(llama), None, Device.cpu, ignore).scores
    assert human == same
    assert (human.judge_tokens, human.text_bytes, human.bertscore_f1) == (1, 2, None)


def test_each_true_continuation_is_judged_once_in_a_process(llama: Path) -> None:
    judge, texts = FakeJudge(), [text("a", "söme", (1,)), text("b", "more", (2,))]
    content = replace(judge_of(llama), content=f"judged once {llama}")
    blank = score(texts, ENDS, UNREAD, ignore)
    reader: Any = judge
    first = judge_human(blank, texts, reader, content)
    other: Any = FakeJudge()
    assert judge_human(blank, texts, other, replace(content, device=Device.cuda)) == first
    assert (judge.read, other.read) == ([("a?", "söme"), ("b?", "more")], [])
    judge_human(blank, texts, other, replace(content, content="another judge"))
    assert len(other.read) == 2


def test_a_judge_of_unknown_content_is_asked_once_by_itself() -> None:
    texts = [text("a", "söme", (1,))]
    blank = score(texts, ENDS, UNREAD, ignore)
    one, other = FakeJudge(), FakeJudge()
    for judge in (one, one, other):
        reader: Any = judge
        judge_human(blank, texts, reader, None)
    assert (len(one.read), len(other.read)) == (1, 1)


@pytest.mark.parametrize(("wanted", "used"), [(None, Device.cpu), (Device.cuda, Device.cuda)])
def test_scorers_live_where_the_run_does_or_where_they_want_to(
    wanted: Device | None, used: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[Device] = []

    def load_arm(*arguments: Any) -> SimpleNamespace:
        devices.append(arguments[-1])
        return SimpleNamespace(model=None, tokenizer=None)

    monkeypatch.setattr(module, "load", load_arm)
    monkeypatch.setattr(module, "load_encoder", lambda _, device: devices.append(device))
    judge = Judge(checkpoint="./judge", revision=None, precision=Precision.float32, device=wanted)
    load_scorers(judge, Encoder(checkpoint="./encoder", revision=None, layer=1, device=wanted), Device.cpu)
    assert devices == [used, used]
