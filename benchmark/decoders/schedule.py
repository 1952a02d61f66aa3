"""Which steps a diffusion run takes, how many tokens each writes, and which positions it computes. Plain arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crossover.records.policies import Cache, CacheName
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
    """One forward pass over a canvas: rows, positions of each computed, and those of them whose logits were read."""

    rows: int
    computed: int
    read: int


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
    """How many positions a forward pass with kept keys and values computes, each number once, falling."""
    if cache is None or cache.refresh == 1:
        return ()
    widths = {len(computed_positions(cache, length, block, 1)) for block in blocks if len(block) > 1}
    return tuple(sorted(widths, reverse=True))


def blocks_of(prompt_tokens: int, output_tokens: int, block_length: int) -> tuple[range, ...]:
    """The blocks of the output, as positions of the canvas."""
    firsts = range(prompt_tokens, prompt_tokens + output_tokens, block_length)
    return tuple(range(first, first + block_length) for first in firsts)


def planned_forwards(
    diffusion: Diffusion, prompt_tokens: int, output_tokens: int, rows: int, *, fewest: bool = False
) -> Iterator[Forward]:
    """The forward passes of a run's schedule; where the text decides, the most that it can take, or the fewest."""
    length = prompt_tokens + output_tokens
    passes = 2 if diffusion.guidance_scale else 1
    for block in blocks_of(prompt_tokens, output_tokens, diffusion.block_length):
        masked = diffusion.block_length
        for forward, writes in enumerate(_writes(diffusion, output_tokens, fewest=fewest)):
            computed = len(computed_positions(diffusion.cache, length, block, forward))
            read = writes if diffusion.remasking is Remasking.random else masked
            for _ in range(passes):
                yield Forward(rows=rows, computed=computed, read=read)
            masked -= writes


def _writes(diffusion: Diffusion, output_tokens: int, *, fewest: bool) -> list[int]:
    """Tokens of a row that each forward pass of a block writes."""
    block = diffusion.block_length
    if diffusion.policy.is_self_paced:
        return [block] if fewest else [1] * block
    steps = diffusion.steps // (output_tokens // block)
    return [writes for writes in transfers(block, steps) if writes]
