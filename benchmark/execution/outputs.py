"""Turn a decoder's outputs into the record's: samples, texts, and the prompts of each sample."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from transformers import PreTrainedTokenizerBase

from benchmark.decoders.interface import Generation
from benchmark.decoders.prompts import Prompt
from benchmark.measurement.measure import Timed
from benchmark.models.tokens import until_end
from crossover.records.forwards import Forwards
from crossover.records.machine import Label
from crossover.records.policies import QUOTA, Blocks, PolicyName, Rows
from crossover.records.record import Sample
from crossover.records.run import Run
from crossover.records.settings import Diffusion
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
    ends: frozenset[int],
) -> tuple[Generated, ...]:
    """Each prompt's output, from the first sample that decoded it. Prompts that only fill a batch are left out.

    What comes after the first end of sequence is kept as tokens, and is no text.
    """
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
            continuation=str(tokenizer.decode(tokens[: until_end(tokens, ends)], skip_special_tokens=True)),
            reference=prompts[index].reference,
            tokens=tuple(tokens),
            cluster=prompts[index].cluster,
            **_asked(prompts[index]),
        )
        for index, tokens in sorted(outputs.items())
        if index < len(prompts)
    )


def _asked(prompt: Prompt) -> dict[str, Any]:
    """What a record says of a prompt with answers besides."""
    if prompt.question is None:
        return {}
    return {
        "answers": prompt.question.answers,
        "rule": prompt.question.rule,
        "prompt_tokens": len(prompt.tokens),
    }


def true_continuations(prompts: Iterable[Prompt]) -> tuple[Generated, ...]:
    """What the documents' authors wrote, in the place of a model's outputs; nothing for prompts with answers."""
    return tuple(
        Generated(
            prompt_id=prompt.name,
            prompt=prompt.text,
            continuation=prompt.reference,
            reference=prompt.reference,
            tokens=tuple(prompt.reference_tokens),
            cluster=prompt.cluster,
        )
        for prompt in prompts
        if prompt.question is None
    )


def samples_of(
    run: Run,
    timed: Sequence[Timed],
    rows: Sequence[tuple[int, ...]],
    labels: Sequence[tuple[Label, ...]],
    ends: frozenset[int],
) -> tuple[Sample, ...]:
    """The record's samples: times, prompts, valid tokens, and the state of the machine with its labels."""
    return tuple(_sample(run, *each, ends) for each in zip(timed, rows, labels, strict=True))


def forwards_of(diffusion: Diffusion | None, generation: Generation) -> Forwards | None:
    """What each step computed and wrote; None where the schedule says it, or a decoder does not tell."""
    if diffusion is None or generation.written_at_BN is None or _is_published_schedule(diffusion):
        return None
    passes = 2 if diffusion.guidance_scale else 1
    computed = [forward.computed for forward in generation.forwards]
    steps = range(1, len(computed) // passes + 1)
    written_at = generation.written_at_BN.tolist()
    written = Counter(chain.from_iterable(written_at))
    edited = Counter(edit.step for edit in generation.edits)
    return Forwards(
        computed=tuple(sum(computed[passes * (step - 1) : passes * step]) for step in steps),
        written=tuple(written[step] for step in steps),
        of_rows=(
            tuple(map(max, written_at))
            if diffusion.rows is Rows.independent
            else _steps_of_rows(_changed_at(written_at, generation), _blocks(diffusion, generation), len(steps))
        ),
        spare=generation.spare_passes,
        edited=tuple(edited[step] for step in steps) if diffusion.policy.name == PolicyName.editing else (),
    )


def _is_published_schedule(diffusion: Diffusion) -> bool:
    """Whether every pass computes the whole canvas and `steps` says what each writes."""
    return diffusion.policy == QUOTA and diffusion.cache is None and diffusion.blocks is Blocks.output


def _changed_at(written_at: list[list[int]], generation: Generation) -> list[list[int]]:
    """The last step that changed each token."""
    changed_at = [list(row) for row in written_at]
    for edit in generation.edits:  # in the order of steps
        changed_at[edit.row][edit.position] = max(edit.step, changed_at[edit.row][edit.position])
    return changed_at


def _blocks(diffusion: Diffusion, generation: Generation) -> list[slice]:
    """The blocks of the output, or their sub-blocks; the first of a block-causal model begins in the prompt."""
    block, tail = diffusion.part_length, 0
    in_blocks = diffusion.blocks is Blocks.sequence and not diffusion.causal_context
    if in_blocks and generation.prompts_BP is not None:
        tail = generation.prompts_BP.shape[1] % block
    firsts = range(-tail, generation.tokens_BN.shape[1], block)
    return [slice(max(first, 0), first + block) for first in firsts]


def _steps_of_rows(changed_at: list[list[int]], blocks: list[slice], steps: int) -> tuple[int, ...]:
    """Steps that each row needed, where all rows begin a block together: all but those after its last token of each."""
    needed = [steps] * len(changed_at)
    for block in blocks:
        ends = [max(row[block]) for row in changed_at]
        needed = [each + end - max(ends) for each, end in zip(needed, ends, strict=True)]
    return tuple(needed)


def seconds_per_pass(samples: Sequence[Timed]) -> list[float]:
    """Latency of each sample over its forward passes, whose number may depend on the text."""
    return [timed.timing.latency_s / timed.generation.forward_passes for timed in samples]


def typical(samples: Sequence[Timed]) -> Timed:
    """The sample of the median latency, the faster of two."""
    return sorted(samples, key=lambda timed: timed.timing.latency_s)[(len(samples) - 1) // 2]


def _sample(run: Run, timed: Timed, row: tuple[int, ...], labels: tuple[Label, ...], ends: frozenset[int]) -> Sample:
    outputs: list[list[int]] = timed.generation.tokens_BN.tolist()
    return Sample(
        latency_s=timed.timing.latency_s,
        host_latency_s=timed.timing.host_latency_s,
        prefill_s=timed.timing.prefill_s,
        step_s=timed.timing.step_s,
        prompts=row,
        valid_tokens=tuple(until_end(tokens, ends) for tokens in outputs),
        labels=labels,
        conditions=timed.conditions,
        forwards=None if timed.forwards else forwards_of(run.diffusion, timed.generation),
        timed=timed.forwards,
    )
