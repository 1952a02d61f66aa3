"""The texts of a run, their scores, and the likelihood of the true continuations."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One prompt's timed output beside the document's true continuation.

    Attributes:
        continuation: the text of the tokens before the first end of sequence, which is what is judged; in a measurement
            that was not `judged_until_end`, of all tokens.
        tokens: all of them, N_out.
        cluster: what the prompt's document shares with others; null where it shares nothing, and in older records.
        answers: of a prompt whose answers are known, those; its `reference` is the first. Empty for other prompts.
        rule: by which they are looked for in the continuation.
        prompt_tokens: of a prompt whose answers are known, its own tokens, padding left out; null for other prompts,
            which are all of one length.
    """

    prompt_id: str
    prompt: str
    continuation: str
    reference: str
    tokens: tuple[int, ...]
    cluster: str | None = None
    answers: tuple[str, ...] = ()
    rule: str | None = None
    prompt_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """Quality of one prompt's output, or of its true continuation: of the tokens before the first end of sequence.

    Attributes:
        nll_nats: negative log-likelihood of the continuation under the judge, given the prompt; null
            without a judge or without text.
        judge_tokens: the continuation's tokens, in the judge's tokenizer.
        entropy_nats: Shannon entropy of the output's token frequencies; null without tokens.
        distinct_2: share of bigrams that are distinct.
        repetition_4: share of 4-grams that repeat an earlier one.
        bertscore_precision, bertscore_recall, bertscore_f1: the continuation against the true one under
            the encoder; null without an encoder, 0 without text.
        characters: length of the continuation's text.
        ended: whether the output has an end of sequence; null where its tokenizer knows none.
        cluster: what the prompt's document shares with others, such as the book that they are from; the analysis draws
            prompts of one cluster together. Null for a document that shares nothing.
        text_bytes: length of the continuation's text in UTF-8; null in older records.
        correct: 1 where the continuation has an answer of its prompt, 0 where not; a task's own measure lies between
            them. Null for prompts without answers.
        answered: what of the continuation was taken for its answer; null where nothing was.
        figures: the text's other metrics by their names, see `benchmark/quality/text_metrics.py`; without those that it
            does not have, or that were unknown when it was scored.
    """

    prompt_id: str
    nll_nats: float | None
    judge_tokens: int | None
    entropy_nats: float | None
    distinct_2: float | None
    repetition_4: float | None
    bertscore_precision: float | None = None
    bertscore_recall: float | None = None
    bertscore_f1: float | None = None
    characters: int | None = None
    ended: bool | None = None
    cluster: str | None = None
    text_bytes: int | None = None
    correct: float | None = None
    answered: str | None = None
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DocumentLikelihood:
    """How well the model predicts one prompt's true continuation, in nats for the whole of it.

    Attributes:
        text_bytes: UTF-8 bytes of the continuation.
        nats: -log p(continuation | prompt); for diffusion the estimate of its upper bound.
        nats_se: standard error of that estimate; null where the value is exact.
        k_step_nats: diffusion: bound of the sampler in the run's K steps, averaged over random orders.
        k_step_nats_se: its standard error over the orders; null with one.
        sampler_nats: -log p of the sampler that the run uses, exactly and at temperature 1; for an autoregressive model
            that is `nats`. Null where positions are chosen at random, and in older records.
        cluster: what the document shares with others, as of a `Score`; null also in older records.
    """

    prompt_id: str
    text_bytes: int
    nats: float
    nats_se: float | None
    k_step_nats: float | None
    k_step_nats_se: float | None
    sampler_nats: float | None = None
    cluster: str | None = None
