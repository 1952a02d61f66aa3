"""The points of `cells`, in the order of their worth.

First what whole generations are compared with, and those generations; then the rest of the map: other batches, other
lengths; last the whole generations that take longest. Neighbours share a model.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

PART_TOKENS = 8192
"""The compiled engine computes a whole canvas in parts of so many tokens, so larger batches repeat what was timed."""
KEPT_TOKENS = 2**16
"""Keys and values of more tokens of LLaDA-8B do not fit a GPU of 80 GB."""
BLOCK = 32
STEPS_A_BLOCK = 8
SAMPLED = ("timing=sampled", "warmup=2", "repeats=1")
"""Two discarded generations and, before each sample, at least one more."""
WHOLE = ("warmup=1", "repeats=1")
"""The parts of the same shape have warmed up before it, in the same process."""
BUSY = "timing.settle_s=1"
"""For what brings a card to its power limit: a second of it before, and the mean of a second where it is short."""
IN_BLOCKS_NAME = "llada_in_blocks"
IN_BLOCKS = ("cache=exact", f"block_length={BLOCK}", f"model.block_length={BLOCK}", f"model.name={IN_BLOCKS_NAME}")
"""A block-causal model of the diffusion model's size: none was trained."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A run as its overrides, and whether its energy is counted afterwards."""

    overrides: tuple[str, ...]
    energy: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole generation: the map needs none, composed latencies are compared with it."""
        return set(WHOLE) <= set(self.overrides)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is measured, and where.

    Attributes:
        batches: those of the report first, `others` afterwards.
        whole: batch and length of whole generations over whole canvases, with their steps, and of some `larger` ones
            that are measured last.
        continued: the same of continuations, without steps; `in_blocks`: of a block-causal model.
        kept_lengths: at which a block is computed against kept keys and values; with the first of them whole
            generations are measured, and a block-causal model; those of `kept_batches` first.
        energy: batch and length of the whole generations, of all kinds, whose energy is counted.
    """

    diffusion: str
    baseline: str
    common: tuple[str, ...]
    batches: tuple[int, ...]
    others: tuple[int, ...] = ()
    lengths: tuple[int, ...]
    other_lengths: tuple[int, ...] = ()
    kept_lengths: tuple[int, ...]
    kept_batches: tuple[int, ...]
    whole: Mapping[tuple[int, int], int]
    larger: Mapping[tuple[int, int], int]
    continued: frozenset[tuple[int, int]]
    in_blocks: frozenset[tuple[int, int]]
    energy: frozenset[tuple[int, int]] = frozenset()

    def points(self) -> Iterator[Point]:
        """All of them; a point that comes again is the one that was there."""
        first, batches, lengths = self.kept_lengths[0], (*self.batches, *self.others), self.lengths
        yield from self._continuations(self.batches, lengths)
        yield from self._continuations(self.others, lengths)
        yield from self._continuations(batches, self.other_lengths)
        yield from self._in_blocks()
        yield from self._canvases(self.whole, self.whole)
        yield from self._kept(self.kept_batches, first, is_whole=True)
        yield from self._canvases([(batch, length) for length, batch in product(lengths, batches)])
        for kept in self.kept_lengths:
            yield from self._kept(batches, kept)
        yield from self._canvases([(batch, length) for length, batch in product(self.other_lengths, batches)])
        yield from self._canvases(self.larger, self.larger)
        yield from self._kept(self.batches, first, is_whole=True)

    def _canvases(
        self, cells: Iterable[tuple[int, int]], whole: Mapping[tuple[int, int], int] | None = None
    ) -> Iterator[Point]:
        """Whole canvases in part, and `whole` generations; of a batch that is computed in parts, one part before it."""
        for batch, length in cells:
            part = min(batch, PART_TOKENS // length)
            sampled = (f"steps={min(64, length // 4)}", "timing.share=0.02", *SAMPLED, BUSY)
            yield self._point(self.diffusion, part, length, *sampled)
            if whole is not None:
                yield self._point(self.diffusion, batch, length, f"steps={whole[batch, length]}", *WHOLE, BUSY)

    def _kept(self, batches: Sequence[int], length: int, *, is_whole: bool = False) -> Iterator[Point]:
        """A block against kept keys and values, its refresh among its passes; whole generations beside."""
        for batch in batches:
            kept, cached = min(length, KEPT_TOKENS // batch), (f"block_length={BLOCK}", "cache=dual")
            one = (f"prompt_fraction={(kept - BLOCK) / kept}", f"steps={STEPS_A_BLOCK}", "timing.share=1")
            yield self._point(self.diffusion, batch, kept, *cached, *one, *SAMPLED, BUSY)
            if is_whole:
                yield self._point(self.diffusion, batch, kept, *cached, _steps(kept), *WHOLE, BUSY)

    def _in_blocks(self) -> Iterator[Point]:
        """A block-causal model in part at every batch, whole generations beside some."""
        others = {(batch, self.kept_lengths[0]) for batch in self.others}
        for batch, length in (*sorted(self.in_blocks), *sorted(others)):
            blocks = (*IN_BLOCKS, _steps(length))
            yield self._point(self.diffusion, batch, length, *blocks, *SAMPLED, "timing.share=0.1", BUSY)
            if (batch, length) in self.in_blocks:
                yield self._point(self.diffusion, batch, length, *blocks, *WHOLE, BUSY)

    def _continuations(self, batches: Sequence[int], lengths: Sequence[int]) -> Iterator[Point]:
        """Continuations in part, and whole ones beside some of them."""
        for length, batch in product(lengths, batches):
            yield self._point(self.baseline, batch, length, "timing.share=0.02", *SAMPLED)
            if (batch, length) in self.continued:
                yield self._point(self.baseline, batch, length, *WHOLE)

    def _point(self, model: str, batch: int, length: int, *others: str) -> Point:
        shape = (f"model={model}", f"batch={batch}", f"length={length}")
        point = Point(overrides=(*shape, *others, *self.common))
        return replace(point, energy=point.is_whole and (batch, length) in self.energy)


def _steps(length: int) -> str:
    """Those of a whole generation in blocks."""
    return f"steps={STEPS_A_BLOCK * (length // 2 // BLOCK)}"


LARGE = Grid(
    diffusion="llada",
    baseline="llama",
    common=("hardware=gpu", "engine=compiled"),
    batches=(1, 8, 32),
    others=(64, 4, 16),
    lengths=(512, 1024, 2048),
    other_lengths=(128,),
    kept_lengths=(512, 2048, 128),
    kept_batches=(1, 8),
    whole={(32, 512): 4, (8, 512): 16, (1, 512): 64, (1, 1024): 32, (8, 1024): 8, (1, 2048): 16},
    larger={(32, 1024): 2, (8, 2048): 4, (32, 2048): 2},
    continued=frozenset({(1, 512), (8, 512), (32, 512), (1, 1024)}),
    in_blocks=frozenset({(1, 512), (8, 512), (32, 512)}),
    energy=frozenset({(1, 512), (8, 512), (32, 512)}),
)
TINY = Grid(
    diffusion="tiny_llada",
    baseline="tiny_llama",
    common=("hardware=cpu", "engine=eager", "hardware.threads=1"),
    batches=(1, 4),
    lengths=(64, 128),
    kept_lengths=(128,),
    kept_batches=(1,),
    whole={(1, 64): 16, (4, 64): 8, (1, 128): 16, (4, 128): 16},
    larger={},
    continued=frozenset({(1, 64), (4, 64), (1, 128), (4, 128)}),
    in_blocks=frozenset({(1, 128), (4, 128)}),
)
