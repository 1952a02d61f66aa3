"""What policies have in common that decide by the scores how many positions they write."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SelfPaced:
    """A block takes one forward pass a position at most, since each writes at least one."""

    block_length: int

    @property
    def most_forwards(self) -> int:
        """See Policy."""
        return self.block_length

    def planned(self, forward: int) -> None:
        """See Policy: nothing is known before."""
