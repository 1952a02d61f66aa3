"""What the forward passes of a diffusion sample did, where the schedule alone does not say it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Forwards:
    """The steps of one sample, in order; a step is a forward pass, or two with guidance.

    Attributes:
        computed: positions of each row that a step computed; two passes count twice.
        written: tokens that a step wrote, all rows together.
        of_rows: steps that each row of the batch needed; it waited through the others.
        spare: forward passes beside these that were begun before it was known that nothing was left, and wrote nothing.
        edited: tokens of the output that a step replaced, all rows together; empty where nothing is ever replaced.
    """

    computed: tuple[int, ...]
    written: tuple[int, ...]
    of_rows: tuple[int, ...]
    spare: int = 0
    edited: tuple[int, ...] = ()

    @property
    def waiting_share(self) -> float:
        """Share of the rows' steps in which they waited for others: what the batch pays for its slowest rows."""
        return 1 - sum(self.of_rows) / (len(self.computed) * len(self.of_rows))


@dataclass(frozen=True, kw_only=True)
class TimedForwards:
    """Which forward passes of a generation were made and timed, where the times of the others were composed.

    Prefill apart, which is always timed.

    Attributes:
        planned: forward passes of the whole generation.
        index: the places of the timed ones among them, in order; a sample's `step_s` follows it, as do all below.
        computed: positions of each row that the pass computed.
        kept: positions that they attended to, their own among them.
        read: positions of each row whose logits were read.
        generations: of which the times are means, made at once one after another.
    """

    planned: int
    index: tuple[int, ...]
    computed: tuple[int, ...]
    kept: tuple[int, ...]
    read: tuple[int, ...]
    generations: int = 1

    @property
    def composed_share(self) -> float:
        """Share of the forward passes whose time was composed."""
        return 1 - len(self.index) / self.planned if self.planned else 0.0
