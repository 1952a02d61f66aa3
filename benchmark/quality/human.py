"""The human line: the judge's figures for the documents' true continuations.

They are the same at every grid point with the same documents, so each is computed once in a process.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from benchmark.quality.memo import remember
from benchmark.quality.perplexity import Likelihood, PerplexityJudge
from crossover.records.record import Measurement
from crossover.records.settings import Judge
from crossover.records.texts import Generated, Score

MOST_KNOWN = 10_000
"""Likelihoods that are kept at a time."""
_KNOWN: dict[Hashable, Likelihood | None] = {}
"""By the content of the judge's checkpoint and by the texts: a judge is loaded anew at each grid point."""


def judge_human(
    human: Sequence[Score], texts: Sequence[Generated], judge: PerplexityJudge, settings: Judge | None
) -> tuple[Score, ...]:
    """The scores of the true continuations, in which this judge's figures replace those of another."""
    likelihoods = [_likelihood(text, judge, settings) for text in texts]
    return tuple(
        replace(
            score,
            nll_nats=None if likelihood is None else likelihood.nll_nats,
            judge_tokens=None if likelihood is None else likelihood.tokens,
        )
        for score, likelihood in zip(human, likelihoods, strict=True)
    )


def human_texts(generated: Sequence[Generated]) -> tuple[Generated, ...]:
    """The true continuations beside stored outputs; their tokens were not stored."""
    return tuple(replace(text, continuation=text.reference, tokens=()) for text in generated)


def human_scores(measured: Measurement) -> tuple[Score, ...]:
    """Those of a stored measurement; where it has none, what the texts alone say."""
    return measured.human or tuple(
        Score(
            prompt_id=text.prompt_id,
            nll_nats=None,
            judge_tokens=None,
            entropy_nats=None,
            distinct_2=None,
            repetition_4=None,
            characters=len(text.reference),
            text_bytes=len(text.reference.encode()),
        )
        for text in measured.generated
    )


def _likelihood(text: Generated, judge: PerplexityJudge, settings: Judge | None) -> Likelihood | None:
    texts = (text.prompt, text.continuation)
    if settings is None or settings.content is None:
        return remember(judge, texts, lambda: judge.score(*texts))
    key = (replace(settings, device=None), texts)
    if key not in _KNOWN:
        if len(_KNOWN) >= MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[key] = judge.score(*texts)
    return _KNOWN[key]
