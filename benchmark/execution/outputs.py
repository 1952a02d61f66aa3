"""Turn a decoder's outputs into the record's: samples, texts, and the prompts of each sample."""

import hashlib
from collections.abc import Iterable, Sequence

from transformers import PreTrainedTokenizerBase

from benchmark.decoders.prompts import Prompt
from benchmark.measurement.measure import Timed
from crossover.records.machine import Label
from crossover.records.record import Sample
from crossover.records.texts import Generated


def batch_rows(prompts: int, batch: int, sample: int) -> tuple[int, ...]:
    """Indices of the prompts that a sample decodes: the next `batch` of them; the first prompt follows the last."""
    return tuple((sample * batch + row) % prompts for row in range(batch))


def prompts_digest(prompts: Iterable[Prompt]) -> str:
    """Hash of the documents behind the prompts, in their order: equal for two models that got the same documents."""
    return hashlib.sha256(" ".join(prompt.digest for prompt in prompts).encode()).hexdigest()[:16]


def read_back(
    prompts: list[Prompt],
    rows: Sequence[tuple[int, ...]],
    samples: Sequence[Timed],
    tokenizer: PreTrainedTokenizerBase | None,
) -> tuple[Generated, ...]:
    """Each prompt's output, from the first sample that decoded it. Prompts that only fill a batch are left out."""
    if tokenizer is None:  # random weights have no text
        return ()
    outputs: dict[int, list[int]] = {}
    for row, sample in zip(rows, samples, strict=True):
        for index, tokens in zip(row, sample.generation.tokens_BN.tolist(), strict=True):
            outputs.setdefault(index, tokens)
    return tuple(
        Generated(
            prompt_id=prompts[index].name,
            prompt=prompts[index].text,
            continuation=str(tokenizer.decode(tokens, skip_special_tokens=True)),
            reference=prompts[index].reference,
            tokens=tuple(tokens),
        )
        for index, tokens in sorted(outputs.items())
        if index < len(prompts)
    )


def samples_of(
    timed: Sequence[Timed],
    rows: Sequence[tuple[int, ...]],
    labels: Sequence[tuple[Label, ...]],
    ends: frozenset[int],
) -> tuple[Sample, ...]:
    """The record's samples: times, prompts, valid tokens, and the state of the machine with its labels."""
    return tuple(_sample(*each, ends) for each in zip(timed, rows, labels, strict=True))


def _sample(timed: Timed, row: tuple[int, ...], labels: tuple[Label, ...], ends: frozenset[int]) -> Sample:
    outputs: list[list[int]] = timed.generation.tokens_BN.tolist()
    return Sample(
        latency_s=timed.timing.latency_s,
        host_latency_s=timed.timing.host_latency_s,
        prefill_s=timed.timing.prefill_s,
        step_s=timed.timing.step_s,
        prompts=row,
        valid_tokens=tuple(_until_end(tokens, ends) for tokens in outputs),
        labels=labels,
        conditions=timed.conditions,
    )


def _until_end(tokens: list[int], ends: frozenset[int]) -> int:
    return next((index for index, token in enumerate(tokens) if token in ends), len(tokens))
