"""What the forward passes of a diffusion sample did, where the schedule alone does not say it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Forwards:
    """The steps of one sample, in order; a step is a forward pass, or two with guidance.

    Attributes:
        computed: positions of each row that a step computed; two passes count twice.
        written: tokens that a step wrote, all rows together.
        of_rows: steps that each row of the batch needed; it waited through the others.
    """

    computed: tuple[int, ...]
    written: tuple[int, ...]
    of_rows: tuple[int, ...]

    @property
    def waiting_share(self) -> float:
        """Share of the rows' steps in which they waited for others: what the batch pays for its slowest rows."""
        return 1 - sum(self.of_rows) / (len(self.computed) * len(self.of_rows))
