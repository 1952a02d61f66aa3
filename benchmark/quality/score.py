"""All quality figures of each generated text; a new metric is a field of Score and a line here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmark.models.loaded import load
from benchmark.quality.bertscore import TextEncoder, load_encoder
from benchmark.quality.diversity import distinct, entropy_nats, repetition
from benchmark.quality.perplexity import PerplexityJudge
from benchmark.util.progress import Report, Stage
from crossover.records.settings import Device, Encoder, Family, Judge
from crossover.records.texts import Generated, Score


@dataclass(frozen=True, kw_only=True)
class Scorers:
    """The models that score texts; the figures of a missing one stay as they are."""

    judge: PerplexityJudge | None = None
    encoder: TextEncoder | None = None


def load_scorers(judge: Judge | None, encoder: Encoder | None, device: Device) -> Scorers:
    """Both scorers, on their own device or else on `device`. Drop them after use, since they count in memory peaks.

    Raises:
        UserError: when one cannot be loaded.
    """
    return Scorers(
        judge=None if judge is None else _load_judge(judge, judge.device or device),
        encoder=None if encoder is None else load_encoder(encoder, encoder.device or device),
    )


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
    return Score(
        prompt_id=text.prompt_id,
        nll_nats=None,
        judge_tokens=None,
        entropy_nats=entropy_nats(text.tokens),
        distinct_2=distinct(text.tokens, 2),
        repetition_4=repetition(text.tokens, 4),
        characters=len(text.continuation),
        ended=not ends.isdisjoint(text.tokens) if ends else None,
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
    loaded = load(judge.checkpoint, judge.revision, Family.autoregressive, judge.precision, device)
    return PerplexityJudge(model=loaded.model, tokenizer=loaded.tokenizer)
