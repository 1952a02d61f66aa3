"""Which steps a diffusion run takes, and how many tokens each writes. Plain arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass


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
