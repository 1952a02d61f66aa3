"""The points of `cells`, in the order of their worth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

PART_TOKENS = 8192
"""The compiled engine computes a whole canvas in parts of so many tokens, so larger batches repeat what was timed."""
KEPT_TOKENS = 2**16
"""Keys and values of more tokens of LLaDA-8B do not fit a GPU of 80 GB."""
BLOCK = 32
STEPS_A_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class Point:
    """A run as its overrides, and whether its energy is counted afterwards."""

    overrides: tuple[str, ...]
    energy: bool = False


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is measured, and where.

    Attributes:
        batches: those of the report first.
        cached_lengths: at which a block is computed against kept keys and values.
        composed: batch and length of continuations that are not measured, since they lie between others.
        whole: whole generations of diffusion, with their steps; `cached` and `continued`: of the other kinds.
        energy: batch and length of the whole generations, of both arms, whose energy is counted.
    """

    diffusion: str
    baseline: str
    common: tuple[str, ...]
    batches: tuple[int, ...]
    lengths: tuple[int, ...]
    cached_lengths: tuple[int, ...]
    composed: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    whole: dict[tuple[int, int], int]
    cached: frozenset[tuple[int, int]]
    continued: frozenset[tuple[int, int]]
    energy: frozenset[tuple[int, int]] = field(default_factory=frozenset)

    def of_diffusion(self) -> Iterator[Point]:
        """Whole canvases, then blocks against kept keys and values; whole generations beside them."""
        *longer, shortest = self.lengths
        yield from self._canvases(longer)
        yield from self._blocks()
        yield from self._canvases([shortest])

    def _canvases(self, lengths: Sequence[int]) -> Iterator[Point]:
        for length in lengths:
            for batch in self.batches:
                if batch * length <= PART_TOKENS:
                    yield self._canvas(batch, length, 4, "repeats=2")
                if (steps := self.whole.get((batch, length))) is not None:
                    yield self._canvas(batch, length, steps, "repeats=1", energy=(batch, length) in self.energy)

    def _blocks(self) -> Iterator[Point]:
        for length in self.cached_lengths:
            for batch in self.batches:
                kept = min(length, KEPT_TOKENS // batch)
                fraction = f"prompt_fraction={(kept - BLOCK) / kept}"
                yield self._block(batch, kept, 4, fraction, "repeats=1")
                if (batch, kept) in self.cached:
                    steps, energy = STEPS_A_BLOCK * (kept // 2 // BLOCK), (batch, kept) in self.energy
                    yield self._block(batch, kept, steps, "repeats=1", energy=energy)

    def of_baseline(self) -> Iterator[Point]:
        """Continuations in part, and whole ones beside some of them."""
        for length in self.lengths:
            for batch in self.batches:
                if (batch, length) not in self.composed:
                    share = ("timing=sampled", "timing.share=0.02", "warmup=1", "repeats=1")
                    yield self._point(self.baseline, batch, length, *share)
                if (batch, length) in self.continued:
                    energy = (batch, length) in self.energy
                    yield self._point(self.baseline, batch, length, "warmup=0", "repeats=1", energy=energy)

    def _canvas(self, batch: int, length: int, steps: int, repeats: str, *, energy: bool = False) -> Point:
        return self._point(self.diffusion, batch, length, f"steps={steps}", "warmup=0", repeats, energy=energy)

    def _block(self, batch: int, length: int, steps: int, *others: str, energy: bool = False) -> Point:
        cached = (f"block_length={BLOCK}", "cache=dual", f"steps={steps}", "warmup=0")
        return self._point(self.diffusion, batch, length, *cached, *others, energy=energy)

    def _point(self, model: str, batch: int, length: int, *others: str, energy: bool = False) -> Point:
        shape = (f"model={model}", f"batch={batch}", f"length={length}")
        return Point(overrides=(*shape, *others, *self.common), energy=energy)


LARGE = Grid(
    diffusion="llada",
    baseline="llama",
    common=("hardware=gpu", "engine=compiled"),
    batches=(1, 8, 32, 64, 4, 16),
    lengths=(512, 1024, 2048, 128),
    cached_lengths=(512, 2048),
    composed=frozenset({(4, 1024), (16, 1024), (4, 128), (16, 128)}),
    whole={(1, 512): 64, (8, 512): 16, (32, 512): 4, (8, 1024): 8, (32, 1024): 4, (1, 2048): 16, (1, 128): 32},
    cached=frozenset({(1, 512), (8, 512)}),
    continued=frozenset({(1, 512), (8, 512), (32, 512), (1, 128)}),
    energy=frozenset({(1, 512), (8, 512), (32, 512)}),
)
TINY = Grid(
    diffusion="tiny_llada",
    baseline="tiny_llama",
    common=("hardware=cpu", "engine=eager", "hardware.threads=1"),
    batches=(1, 4),
    lengths=(64, 128),
    cached_lengths=(128,),
    whole={(1, 64): 16, (4, 64): 8, (1, 128): 16, (4, 128): 16},
    cached=frozenset({(1, 128), (4, 128)}),
    continued=frozenset({(1, 64), (4, 64), (1, 128), (4, 128)}),
)
