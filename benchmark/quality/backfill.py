"""Figures that older records lack and that can be computed from their tokens and samples."""

from collections.abc import Mapping
from dataclasses import replace

from crossover.records.record import Measurement
from crossover.records.texts import Score


def complete(measured: Measurement, output_tokens: int) -> tuple[Score, ...]:
    """The scores, with the lengths of each text and whether its sequence ended filled in where they are missing.

    Where no sequence ended, the tokenizer may know no end: then `ended` stays unknown.
    """
    ended = _ended(measured, output_tokens)
    return tuple(
        replace(
            score,
            characters=len(text.continuation) if score.characters is None else score.characters,
            ended=ended.get(text.prompt_id) if score.ended is None else score.ended,
            text_bytes=len(text.continuation.encode()) if score.text_bytes is None else score.text_bytes,
        )
        for score, text in zip(measured.scores, measured.generated, strict=True)
    )


def _ended(measured: Measurement, output_tokens: int) -> Mapping[str, bool]:
    """For each prompt, whether an end of sequence is in its output: that of the first sample that decoded it."""
    valid: dict[int, int] = {}
    for sample in measured.samples:
        for prompt, tokens in zip(sample.prompts, sample.valid_tokens, strict=True):
            valid.setdefault(prompt, tokens)
    ended = [valid[prompt] < output_tokens for prompt in sorted(valid)]
    if not any(ended):
        return {}
    names = [text.prompt_id for text in measured.generated]
    return dict(zip(names, ended, strict=False))  # more prompts may fill a batch
