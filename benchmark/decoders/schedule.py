"""Which steps a diffusion run takes, how many tokens each writes, and which positions it computes. Plain arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crossover.records.policies import DREAM, Blocks, Cache, CacheName, Policy, PolicyName
from crossover.records.settings import Diffusion, Remasking


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the schedule.

    Attributes:
        number: among the steps of all blocks, those that write nothing included; noise depends on it.
        block: the block that it writes in.
        masked: positions of that block that are still masked before it.
        writes: how many of them it writes.
    """

    number: int
    block: int
    masked: int
    writes: int


class Forward(NamedTuple):
    """One forward pass: rows, positions of each computed, those of them whose logits were read, and positions seen.

    Positions seen are those whose keys and values there are; 0 stands for the whole canvas.
    """

    rows: int
    computed: int
    read: int
    seen: int = 0


def dream_times(steps: int, eps: float) -> NDArray[np.float32]:
    """t_0 to t_K of Dream's schedule: evenly spaced from 1 to eps, in float32.

    As `torch.linspace` on a CPU: from both ends, each product added without rounding it first, which float64 does.
    """
    last, index = np.float32(eps), np.arange(steps + 1)
    step = np.float64((last - np.float32(1)) / np.float32(steps))
    first_half = index < (steps + 1) // 2
    return np.where(first_half, 1 + step * index, last - step * (steps - index)).astype(np.float32)


@cache
def dream_transfers(output_tokens: int, steps: int, eps: float) -> tuple[int, ...]:
    """Tokens that each step of Dream's schedule writes: trunc(m (1 - t_(i+1) / t_i)) of m masks; the last all."""
    times, left, written = dream_times(steps, eps), output_tokens, list[int]()
    for step in range(steps):
        share = np.float32(1) - times[step + 1] / times[step]
        written.append(left if step == steps - 1 else int(np.float32(left) * share))
        left -= written[-1]
    return tuple(written)


def transfers(masked: int, steps: int) -> list[int]:
    """Tokens written at each step: `masked // steps`, the first `masked % steps` steps one more."""
    each, extra = divmod(masked, steps)
    return [each + (step < extra) for step in range(steps)]


def writing_steps(output_tokens: int, block_length: int, steps: int) -> Iterator[Step]:
    """The steps that write something, block after block; `steps` are those of all blocks together."""
    blocks = output_tokens // block_length
    for block in range(blocks):
        masked = block_length
        for offset, writes in enumerate(transfers(block_length, steps // blocks)):
            if writes:
                number = block * (steps // blocks) + offset
                yield Step(number=number, block=block, masked=masked, writes=writes)
            masked -= writes


def computed_positions(cache: Cache | None, length: int, block: range, forward: int) -> range:
    """Positions of a canvas that forward pass `forward` of a block computes; it reads the others as they were kept."""
    if cache is None or forward % (cache.refresh or length) == 0:
        return range(length)
    return block if cache.name is CacheName.dual else range(block.start, length)


def window_widths(cache: Cache | None, length: int, blocks: Sequence[range]) -> tuple[int, ...]:
    """How many positions forward passes with kept keys and values compute, each number once, falling."""
    if cache is None or cache.refresh == 1:
        return ()
    widths = {len(computed_positions(cache, length, block, 1)) for block in blocks if len(block) > 1}
    return (length, *sorted(widths, reverse=True)) if widths else ()


def blocks_of(prompt_tokens: int, output_tokens: int, block_length: int) -> tuple[range, ...]:
    """The blocks of the output, as positions of the canvas."""
    firsts = range(prompt_tokens, prompt_tokens + output_tokens, block_length)
    return tuple(range(first, first + block_length) for first in firsts)


def planned_forwards(
    diffusion: Diffusion, prompt_tokens: int, output_tokens: int, rows: int, *, fewest: bool = False
) -> Iterator[Forward]:
    """The forward passes of a run's schedule; where the text decides, the most that it can take, or the fewest."""
    if diffusion.blocks is Blocks.sequence:
        yield from _of_sequence(diffusion, prompt_tokens, output_tokens, rows, fewest=fewest)
        return
    length = prompt_tokens + output_tokens
    passes = 2 if diffusion.guidance_scale else 1
    for block in blocks_of(prompt_tokens, output_tokens, diffusion.block_length):
        masked = diffusion.block_length
        for forward, writes in enumerate(_writes(diffusion, output_tokens, masked, fewest=fewest)):
            computed = len(computed_positions(diffusion.cache, length, block, forward))
            read = writes if diffusion.remasking is Remasking.random else masked
            for _ in range(passes):
                yield Forward(rows=rows, computed=computed, read=read)
            masked -= writes


def _of_sequence(
    diffusion: Diffusion, prompt_tokens: int, output_tokens: int, rows: int, *, fewest: bool
) -> Iterator[Forward]:
    """The same of a block-causal model: see blocks/decoder.py."""
    block, keeps = diffusion.block_length, diffusion.cache is not None
    whole = prompt_tokens if diffusion.causal_context else prompt_tokens // block * block
    read = 1 if diffusion.is_begun_by_context else 0
    if keeps and whole:
        yield Forward(rows=rows, computed=whole, read=read, seen=whole)
    for first in range(whole, prompt_tokens + output_tokens, block):
        end = first + block
        begun = read if first else 0  # the block's first token is there, where something is kept before it
        for part in range(first, end, diffusion.part_length):
            masked = part + diffusion.part_length - max(part, first + begun, prompt_tokens)
            if not fewest and rows > 1 and diffusion.keeps_sub_blocks:
                yield from _waiting(diffusion, rows, masked, end)
            for index, writes in enumerate(_writes(diffusion, output_tokens, max(masked, 0), fewest=fewest)):
                computed = _computed_of_block(diffusion, block, index) if keeps else end
                yield Forward(rows=rows, computed=computed, read=masked, seen=end)
                masked -= writes
        if keeps:
            yield Forward(rows=rows, computed=block, read=read, seen=end)


def _waiting(diffusion: Diffusion, rows: int, masked: int, end: int) -> Iterator[Forward]:
    """The most passes of a sub-block in which rows of a batch wait for others that compute the whole block."""
    for left in range(masked - 1, 0, -1):
        yield Forward(rows=rows, computed=diffusion.block_length, read=left, seen=end)


def parts_of_output(diffusion: Diffusion, prompt_tokens: int, output_tokens: int) -> Iterator[tuple[range, list[int]]]:
    """What is decided one after another: positions of the output, and how many of them each of their steps writes.

    A block-causal model's first block may begin in the prompt, and its last one end behind the output, which is left
    out here. Where the text decides how many a step writes, each writes one.
    """
    block, end = diffusion.block_length, prompt_tokens + output_tokens
    shares = transfers(diffusion.scheduled, diffusion.steps // (output_tokens // diffusion.part_length))
    in_blocks = diffusion.blocks is Blocks.sequence and not diffusion.causal_context
    for first in range(prompt_tokens // block * block if in_blocks else prompt_tokens, end, block):
        begun = int(diffusion.is_begun_by_context and first >= prompt_tokens)
        if begun:
            yield range(first - prompt_tokens, first - prompt_tokens + 1), [1]
        for part in range(first, first + block, diffusion.part_length):
            positions = range(max(part, first + begun, prompt_tokens), min(part + diffusion.part_length, end))
            if positions:
                yield (
                    range(positions.start - prompt_tokens, positions.stop - prompt_tokens),
                    _up_to(len(positions), shares),
                )


def _computed_of_block(diffusion: Diffusion, block: int, forward: int) -> int:
    """Positions that a forward pass of a block, or of a sub-block, computes; the first is of the whole block."""
    return diffusion.part_length if forward and diffusion.keeps_sub_blocks else block


def _writes(diffusion: Diffusion, output_tokens: int, masked: int, *, fewest: bool) -> list[int]:
    """Tokens of a row that each forward pass of a block with so many masks writes."""
    policy = diffusion.policy
    if policy.name == PolicyName.editing or not masked:
        return _edits(policy, masked, fewest=fewest) if masked else []
    steps = diffusion.steps // (output_tokens // diffusion.part_length)
    if policy.name == PolicyName.delayed_threshold:
        return transfers(masked, steps) if fewest else [1] * masked
    if policy.is_self_paced and fewest:
        return [masked]
    if policy.is_self_paced and not policy.has_steps:
        return [1] * masked
    if policy.name in DREAM:
        assert policy.eps is not None
        return list(dream_transfers(output_tokens, steps, policy.eps))
    return _up_to(masked, transfers(diffusion.scheduled, steps))


def _up_to(masked: int, shares: list[int]) -> list[int]:
    """The shares that masks are left for."""
    before = [sum(shares[:index]) for index in range(len(shares))]
    return [min(share, masked - done) for share, done in zip(shares, before, strict=True) if share and done < masked]


def _edits(policy: Policy, masked: int, *, fewest: bool) -> list[int]:
    """The same with editing: at least one forward pass that finds nothing to do, where it is allowed any."""
    assert policy.transfers is not None
    assert policy.max_post_steps is not None
    if fewest:
        return [masked, *([0] if policy.max_post_steps else [])]
    return [*transfers(masked, -(-masked // policy.transfers)), *[0] * policy.max_post_steps]
