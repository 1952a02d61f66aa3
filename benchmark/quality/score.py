"""All quality figures of each generated text; a new metric is a field of Score and a line here."""

from collections.abc import Iterable

from benchmark.quality.diversity import distinct, entropy_nats, repetition
from benchmark.quality.perplexity import PerplexityJudge
from benchmark.record import Generated, Score


def score(generated: Iterable[Generated], judge: PerplexityJudge | None) -> tuple[Score, ...]:
    """One Score for each text; without a judge its likelihood stays unknown."""
    return tuple(_score(text, judge) for text in generated)


def _score(text: Generated, judge: PerplexityJudge | None) -> Score:
    likelihood = None if judge is None else judge.score(text.prompt, text.continuation)
    return Score(
        prompt_id=text.prompt_id,
        nll_nats=None if likelihood is None else likelihood.nll_nats,
        judge_tokens=None if likelihood is None else likelihood.tokens,
        entropy_nats=entropy_nats(text.tokens),
        distinct_2=distinct(text.tokens, 2),
        repetition_4=repetition(text.tokens, 4),
    )
