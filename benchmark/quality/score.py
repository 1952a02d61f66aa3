"""All quality figures of each generated text; text_metrics.py has those that need no model."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.models.loaded import load
from benchmark.models.tokens import until_end
from benchmark.quality.bertscore import TextEncoder, load_encoder
from benchmark.quality.diversity import distinct, entropy_nats, repetition
from benchmark.quality.human import judge_human
from benchmark.quality.perplexity import PerplexityJudge
from benchmark.quality.text_metrics import Written, text_figures
from benchmark.util.progress import Report, Stage
from crossover.errors import BrokenProtocolError, UserError, first_line
from crossover.records.settings import Device, Encoder, Family, Judge
from crossover.records.texts import Generated, Score

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Scorers:
    """The models that score texts; the figures of a missing one stay as they are."""

    judge: PerplexityJudge | None = None
    encoder: TextEncoder | None = None

    @property
    def names(self) -> list[str]:
        """The scorers that there are."""
        return [name for name, scorer in (("judge", self.judge), ("encoder", self.encoder)) if scorer is not None]

    def only(self, name: str) -> "Scorers":
        """One of them."""
        return Scorers(
            judge=self.judge if name == "judge" else None, encoder=self.encoder if name == "encoder" else None
        )


def load_scorers(judge: Judge | None, encoder: Encoder | None, device: Device) -> Scorers:
    """Both scorers, on their own device or else on `device`. Drop them after use, since they count in memory peaks.

    Raises:
        UserError: when one cannot be loaded.
    """
    return Scorers(
        judge=None if judge is None else _load_judge(judge, judge.device or device),
        encoder=None if encoder is None else load_encoder(encoder, encoder.device or device),
    )


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Outputs, the documents' true continuations in the place of outputs, and the tokens that end a sequence."""

    generated: tuple[Generated, ...]
    human: tuple[Generated, ...]
    ends: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Scores of outputs and of true continuations; which of judge and encoder failed, and why, or None."""

    scores: tuple[Score, ...]
    human: tuple[Score, ...]
    failure: str | None


def score_by_each(
    texts: Texts, judge: Judge | None, encoder: Encoder | None, device: Device, report: Report
) -> Quality:
    """One Score for each text. A scorer that fails takes its own figures along, and no other's."""
    scores, human = (score(each, texts.ends, Scorers(), report) for each in (texts.generated, texts.human))
    failures = []
    for name, its_judge, its_encoder in (("judge", judge, None), ("encoder", None, encoder)):
        try:
            scorers = load_scorers(its_judge, its_encoder, device)
            scored = rescore(scores, texts.generated, scorers, report)
            if scorers.judge is not None:
                human = judge_human(human, texts.human, scorers.judge, its_judge)
            scores = scored
        except Exception as error:  # whatever it is, the measurement is worth keeping
            log.exception("the %s failed", name)
            failures.append(failure_of(name, error))
    return Quality(scores=scores, human=human, failure="; ".join(failures) or None)


def failure_of(name: str, error: Exception) -> str:
    """Why the judge or the encoder has no figures, in words for a record."""
    words = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {first_line(error)}"
    return f"the {name} failed: {words}"


def without_failure_of(name: str, failure: str | None) -> str | None:
    """The words of a record about scorers that failed, without those about one that has given its figures since."""
    words = re.split("; (?=the (?:judge|encoder) failed: )", failure or "")
    return "; ".join(each for each in words if each and not each.startswith(f"the {name} failed: ")) or None


def score(generated: Sequence[Generated], ends: frozenset[int], scorers: Scorers, report: Report) -> tuple[Score, ...]:
    """One Score for each text; `ends` are the tokens that end a sequence."""
    return rescore([_of_tokens(text, ends) for text in generated], generated, scorers, report)


def rescore(
    scores: Sequence[Score], generated: Sequence[Generated], scorers: Scorers, report: Report
) -> tuple[Score, ...]:
    """The scores, in which the figures of these scorers replace those of others for the same texts."""
    report(Stage.quality, 0, 1)
    if scorers.judge is not None:
        scores = _judged(scores, generated, scorers.judge, report)
    if scorers.encoder is not None:
        scores = _compared(scores, generated, scorers.encoder)
    return tuple(scores)


def _of_tokens(text: Generated, ends: frozenset[int]) -> Score:
    tokens = text.tokens[: until_end(text.tokens, ends)]
    return Score(
        prompt_id=text.prompt_id,
        nll_nats=None,
        judge_tokens=None,
        entropy_nats=entropy_nats(tokens) if tokens else None,
        distinct_2=distinct(tokens, 2),
        repetition_4=repetition(tokens, 4),
        characters=len(text.continuation),
        ended=not ends.isdisjoint(text.tokens) if ends else None,
        cluster=text.cluster,
        text_bytes=len(text.continuation.encode()),
        figures=text_figures(Written(tokens=tokens, text=text.continuation, prompt=text.prompt)),
    )


def _judged(
    scores: Sequence[Score], generated: Sequence[Generated], judge: PerplexityJudge, report: Report
) -> list[Score]:
    judged = []
    for index, (score, text) in enumerate(zip(scores, generated, strict=True)):
        report(Stage.quality, index, len(scores))
        likelihood = judge.score(text.prompt, text.continuation)
        nll_nats, tokens = (None, None) if likelihood is None else (likelihood.nll_nats, likelihood.tokens)
        judged.append(replace(score, nll_nats=nll_nats, judge_tokens=tokens))
    return judged


def _compared(scores: Sequence[Score], generated: Sequence[Generated], encoder: TextEncoder) -> list[Score]:
    matches = encoder.compare([text.continuation for text in generated], [text.reference for text in generated])
    return [
        replace(score, bertscore_precision=one.precision, bertscore_recall=one.recall, bertscore_f1=one.f1)
        for score, one in zip(scores, matches, strict=True)
    ]


def _load_judge(judge: Judge, device: Device) -> PerplexityJudge:
    try:
        loaded = load(judge.checkpoint, judge.revision, Family.autoregressive, judge.precision, device)
    except BrokenProtocolError as error:  # of an arm it makes the run invalid; a judge can be changed
        raise UserError(str(error)) from error
    return PerplexityJudge(model=loaded.model, tokenizer=loaded.tokenizer)
